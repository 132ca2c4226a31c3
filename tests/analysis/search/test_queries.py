"""Queries of a search: blocks of vectors or of images, their order, and what is kept of images to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from analysis.search import queries
from analysis.search.queries import is_vectors, read_queries
from artifact.arrays import Vectors
from artifact.errors import DataError, SpaceError, UsageError
from artifact.images.image_error import ImageError
from artifact.images.preprocessing import load_pixels
from rows.images import ImageRef
from rows.vectors.lineage import Lineage
from rows.vectors.table import vector_array
from tests.shared.scored_images import PREPROCESSING, expected_vectors, write_images
from tests.shared.tiny_artifact import linear_vectors


def lineage(space: str = "s") -> Lineage:
    return Lineage(artifact="m", version=1, digest="d", space=space, distance="euclidean", normalized=False)


class LinearModel:
    """The network of tiny_artifact.py, without a server or a client."""

    attributes = None
    attribute_model = None
    lineage = lineage()

    def embed_iter(self, images: Iterator[bytes], /, *, bad: Literal["yield"]) -> Iterator[Vectors | ImageError]:
        for image in images:
            try:
                yield linear_vectors(load_pixels(image, PREPROCESSING)[None])[0]
            except ImageError as error:
                yield error


def open_linear_model() -> AbstractContextManager[LinearModel]:
    return nullcontext(LinearModel())


def read(query: Path, **options: Any) -> queries.Queries:
    values = {"k": 3, "column": "embedding", "lineage": lineage(), "open_model": open_linear_model} | options
    return read_queries(query, **values)


def write_vectors(file: Path, *, num_rows: int = 10, column: str = "embedding", **columns: Any) -> np.ndarray:
    """Vectors without a lineage."""
    vectors = np.arange(num_rows * 4, dtype=np.float32).reshape(num_rows, 4)
    parquet.write_table(pa.table(columns | {column: vector_array(vectors)}), file)
    return vectors


def test_images_become_vectors_in_their_order(tmp_path: Path) -> None:
    """As numpy gives them; the first images are kept, as many as will be shown."""
    paths = write_images(tmp_path / "images", 7)
    found = read(tmp_path / "images", num_shown=3)
    [block] = found.blocks
    assert (found.num_queries, found.named) == (7, None)
    assert list(block.ids) == [path.name for path in paths]
    assert [image.path for image in block.images] == paths[:3]
    np.testing.assert_allclose(block.vectors, expected_vectors(paths), atol=1e-5)


def test_one_image_is_one_query(tmp_path: Path) -> None:
    """Its id is its path as it was given."""
    [path] = write_images(tmp_path, 1)
    found = read(path)
    [block] = found.blocks
    assert (found.num_queries, list(block.ids), list(block.images)) == (1, [str(path)], [])


@pytest.mark.parametrize(("num_shown", "sizes"), [(0, [4, 4, 2]), (6, [6, 4])])
@pytest.mark.parametrize("of", ["vectors", "images"])
def test_blocks_hold_all_that_is_shown_in_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str, num_shown: int, sizes: list[int]
) -> None:
    """Otherwise as many queries as give BLOCK_ANSWERS answers."""
    monkeypatch.setattr(queries, "BLOCK_ANSWERS", 12)
    if of == "images":
        expected = expected_vectors(write_images(tmp_path / "query", 10))
    else:
        expected = write_vectors(tmp_path / "query", id=[f"r{row}" for row in range(10)])
        (tmp_path / "query").rename(tmp_path / "query.parquet")
    query = tmp_path / ("query" if of == "images" else "query.parquet")
    blocks = list(read(query, lineage=lineage() if of == "images" else None, num_shown=num_shown).blocks)
    assert [len(block.ids) for block in blocks] == sizes
    np.testing.assert_allclose(np.concatenate([block.vectors for block in blocks]), expected, atol=1e-5)
    if of == "vectors":
        assert [name for block in blocks for name in block.ids] == [f"r{row}" for row in range(10)]


def test_vectors_without_ids_are_named_by_their_row(tmp_path: Path) -> None:
    """From 0 on, over all blocks."""
    write_vectors(tmp_path / "v.parquet", num_rows=5)
    found = read(tmp_path / "v.parquet", lineage=None)
    assert [name for block in found.blocks for name in block.ids] == ["0", "1", "2", "3", "4"]


def test_a_file_is_vectors_or_images_by_its_columns(tmp_path: Path) -> None:
    """A Parquet file with the column is vectors, another a table of images; what is not there counts as vectors."""
    write_vectors(tmp_path / "v.parquet")
    parquet.write_table(pa.table({"image": [b"x"]}), tmp_path / "i.parquet")
    assert is_vectors(tmp_path / "v.parquet", "embedding")
    assert not is_vectors(tmp_path / "v.parquet", "embedding_anchor")
    assert not is_vectors(tmp_path / "i.parquet", "embedding")
    assert is_vectors(tmp_path / "nothing", "embedding")
    (tmp_path / "folder").mkdir()
    assert not is_vectors(tmp_path / "folder", "embedding")


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    """Images without a model or of another space, a bad one by its name, vectors of another space."""
    paths = write_images(tmp_path / "images", 2)
    with pytest.raises(UsageError, match="an image needs a model"):
        read(paths[0], open_model=None)
    with pytest.raises(SpaceError):
        read(paths[0], lineage=lineage("other"))
    write_vectors(tmp_path / "v.parquet")
    with pytest.raises(SpaceError, match="unknown origin"):
        read(tmp_path / "v.parquet")
    (tmp_path / "gone.csv").write_text("id,image\na,nowhere.png\n")
    with pytest.raises(DataError, match="query 'a': expected an image that has a vector, got "):
        read(tmp_path / "gone.csv")


def test_bad_images_are_left_out_and_named(tmp_path: Path) -> None:
    """Missing, no image and cut off among good ones; an error only where none is left."""
    paths = write_images(tmp_path / "images", 4)
    paths[1].write_bytes(b"no image")
    paths[2].unlink()
    paths[2].symlink_to("nowhere.png")
    (tmp_path / "images" / "x.heic").write_bytes(b"....ftypheic")
    found = read(tmp_path / "images", num_shown=2)
    [block] = found.blocks
    assert (found.num_queries, list(block.ids)) == (2, [paths[0].name, paths[3].name])
    assert [image.path for image in block.images] == [paths[0], paths[3]]
    np.testing.assert_allclose(block.vectors, expected_vectors([paths[0], paths[3]]), atol=1e-5)
    assert sorted(name for name, _ in found.bad) == [paths[1].name, paths[2].name]
    assert found.notes == [
        "passed over: 1 .heic; .heic: pictures of formats that are not read, convert them to JPEG or PNG"
    ]
    for path in (paths[0], paths[3]):
        path.write_bytes(b"")
    with pytest.raises(
        DataError, match=r"^query '.*': expected an image that has a vector, got .*; and none of 3 others is one$"
    ):
        read(tmp_path / "images")


def test_a_grey_array_is_a_picture_where_a_model_is_named(tmp_path: Path) -> None:
    """Without a model it is what it looks like: rows of vectors."""
    grey = np.random.default_rng(0).integers(0, 256, (12, 9), np.uint8)
    np.save(tmp_path / "grey.npy", grey)
    found = read(tmp_path / "grey.npy", column=None)
    (block,) = found.blocks
    pixels = load_pixels(ImageRef(path=tmp_path / "grey.npy").read(), PREPROCESSING)
    np.testing.assert_allclose(block.vectors, linear_vectors(pixels[None]), atol=1e-5)
    assert read(tmp_path / "grey.npy", column=None, open_model=None, vouched=True, lineage=None).num_queries == 12
