"""Queries of an index of prefixes: whose vectors are cut to it, and whose are refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from analysis.search.index import Index
from analysis.search.queries import read_queries
from artifact.arrays import Vectors
from artifact.errors import SpaceError, UsageError
from artifact.images.image_error import ImageError
from artifact.images.preprocessing import load_pixels
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable
from tests.shared.scored_images import PREPROCESSING, write_images
from tests.shared.tiny_artifact import linear_vectors

WHOLE = Lineage(
    artifact="m", version=1, digest="d", space="s", distance="euclidean", normalized=False, prefixes=((2, 0.5),)
)
TWO = replace(WHOLE, dims=2, prefixes=(), threshold=0.5)


class LinearModel:
    """The network of tiny_artifact.py, of as many numbers as its lineage says."""

    attributes = None
    attribute_model = None

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage

    def embed_iter(self, images: Iterator[bytes], /, *, bad: Literal["yield"]) -> Iterator[Vectors | ImageError]:
        for image in images:
            yield linear_vectors(load_pixels(image, PREPROCESSING)[None])[0][: self.lineage.dims]


def width(query: Path, index: Lineage | None, model: Lineage, **options: Any) -> int:
    """Numbers in the queries; as numpy cuts them."""
    found = read_queries(query, k=1, lineage=index, open_model=lambda: nullcontext(LinearModel(model)), **options)
    [block] = found.blocks
    [pixels] = [load_pixels(path.read_bytes(), PREPROCESSING) for path in query.iterdir()]
    expected = linear_vectors(pixels[None])[:, : block.vectors.shape[1]]
    assert block.vectors.tobytes() == np.ascontiguousarray(expected).tobytes()
    return int(block.vectors.shape[1])


@pytest.mark.parametrize(
    ("index", "model", "options", "expected"),
    [
        (TWO, WHOLE, {}, 2),
        (TWO, WHOLE, {"dims": 2}, 2),
        (TWO, TWO, {}, 2),  # it cuts itself
        (TWO, replace(WHOLE, dims=3), {}, 2),
        (TWO, replace(WHOLE, prefixes=()), {}, 2),  # of that space, published without a promise
        (WHOLE, WHOLE, {"dims": 4}, 4),
        (None, WHOLE, {"dims": 2, "vouched": True}, 2),  # pandas lost what the index is of
        (None, WHOLE, {"dims": 4, "vouched": True}, 4),
        (None, WHOLE, {"vouched": True}, 4),
        (None, WHOLE, {"vouched": True, "index_dim": 3}, 4),  # no prefix: the index says what it is of
        (None, WHOLE, {"dims": 2, "vouched": True, "index_dim": 2}, 2),
    ],
)
def test_pictures_become_queries_of_as_many_numbers_as_the_index_has(
    index: Lineage | None, model: Lineage, options: dict[str, Any], expected: int, tmp_path: Path
) -> None:
    """Whatever the model promises, where it is of the index's space."""
    write_images(tmp_path / "images", 1)
    assert width(tmp_path / "images", index, model, **options) == expected


@pytest.mark.parametrize(
    ("index", "model", "options", "error", "line"),
    [
        (WHOLE, TWO, {}, SpaceError, "the index of whole vectors and the queries of 2 numbers"),
        (replace(TWO, dims=3), TWO, {}, SpaceError, "the index of 3 numbers and the queries of 2 numbers"),
        (replace(TWO, space="other"), WHOLE, {}, SpaceError, "vectors of two spaces"),
        (None, WHOLE, {"dims": 3, "vouched": True}, UsageError, r"expected one of 2 .*, got 3 \(model m\)"),
        (None, replace(WHOLE, prefixes=()), {"dims": 2, "vouched": True}, UsageError, "no prefix of it is promised"),
        (
            None,
            WHOLE,
            {"vouched": True, "index_dim": 2},
            UsageError,
            r"^queries: expected 2 numbers, as the index has, got 4 \(model m\); use --dims 2, if the index",
        ),
    ],
)
def test_pictures_that_do_not_fit_the_index_are_refused(
    index: Lineage | None, model: Lineage, options: dict[str, Any], error: type[Exception], line: str, tmp_path: Path
) -> None:
    """A model that gives fewer numbers, another space, or a prefix that nobody promises."""
    write_images(tmp_path / "images", 1)
    with pytest.raises(error, match=line):
        width(tmp_path / "images", index, model, **options)


def test_an_index_refuses_vectors_of_other_dims_by_their_lineage() -> None:
    """Not only by their width."""
    vectors = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    index = Index.build(VectorTable.from_arrays(vectors, lineage=WHOLE).cut(2))
    assert (index.dim, index.lineage) == (2, TWO)
    found = index.search_table(vectors[:, :2].copy(), 1, lineage=TWO)
    assert found["id"].to_pylist() == [str(row) for row in range(9)]
    with pytest.raises(SpaceError, match="an index of 2 numbers and queries of whole vectors"):
        index.search_table(vectors[:, :2].copy(), 1, lineage=WHOLE)
