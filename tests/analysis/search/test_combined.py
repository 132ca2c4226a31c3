"""Queries that are made of several pictures and vectors, beside the formula by hand."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.search.combined import AWAY, is_combined, read_combined
from analysis.search.index import Index
from analysis.search.queries import read_queries
from artifact.errors import DataError
from rows.vectors.parts import write_part
from rows.vectors.table import VectorTable

VECTORS = (
    np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32) * np.linspace(1, 9, 9, dtype=np.float32)[:, None]
)


def index(distance: str) -> Index:
    ids = [f"r{row}" for row in range(8)] + ["r7"]
    return Index.build(VectorTable.from_arrays(VECTORS, {"id": ids}), distance=distance)


def write_vectors(file: Path, rows: list[int]) -> str:
    import pyarrow as pa

    from rows.vectors.schema import vector_array

    write_part(file, pa.table({"id": [f"q{row}" for row in rows], "embedding": vector_array(VECTORS[rows])}))
    return str(file)


def asked(towards: list[str], away: list[str], distance: str) -> Any:
    queries = read_combined(
        towards, away, index(distance), read=partial(read_queries, k=3, lineage=None), open_model=None
    )
    (block,) = queries.blocks
    assert queries.num_queries == len(block.ids) == 1
    return queries, block


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_query_is_beyond_the_mean_away_from_the_others(distance: str, tmp_path: Path) -> None:
    """Rows of the index and of tables, each once; of directions where the distance is one."""
    more = write_vectors(tmp_path / "more.parquet", [3, 4, 5])
    queries, block = asked(["id:r0", more], ["id:r1", "id:r7"], distance)
    plain = VECTORS.astype(np.float64)
    if distance == "cosine":
        plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    towards, away = plain[[0, 3, 4, 5]].mean(axis=0), plain[[1, 7, 8]].mean(axis=0)  # r7 is there twice
    np.testing.assert_allclose(block.vectors[0], towards + AWAY * (towards - away), rtol=1e-5, atol=1e-6)
    assert block.ids == [f"id:r0 + {more} - id:r1 - id:r7"]
    assert [(part.name, part.is_away) for part in queries.parts] == [
        ("r0", False), ("q3", False), ("q4", False), ("q5", False), ("r1", True), ("r7", True)
    ]  # fmt: skip


def test_query_of_many_is_named_by_its_first_words() -> None:
    """The name stands in every line of the answer: five words of each side, and how many more there are."""
    towards = [f"id:r{row}" for row in (0, 1, 2, 3, 4, 5, 6, 7)]
    _, block = asked(towards, towards[:7], "euclidean")
    assert block.ids == [
        "id:r0 + id:r1 + id:r2 + id:r3 + id:r4 + and 3 more - id:r0 - id:r1 - id:r2 - id:r3 - id:r4 - and 2 more"
    ]


def test_euclidean_query_does_not_depend_on_the_origin() -> None:
    """All vectors moved: the query is moved as well."""

    def query(shift: float) -> Any:
        moved = Index.build(
            VectorTable.from_arrays(VECTORS + np.float32(shift), {"id": range(9)}), distance="euclidean"
        )
        read = partial(read_queries, k=1, lineage=None)
        return next(iter(read_combined(["id:1", "id:2"], ["id:3"], moved, read=read, open_model=None).blocks)).vectors

    np.testing.assert_allclose(query(8) - 8, query(0), atol=1e-5)


def test_what_is_away_from_itself_is_itself() -> None:
    """A - A is A."""
    for distance in ("cosine", "euclidean"):
        found = index(distance).search(asked(["id:r2"], ["id:r2"], distance)[1].vectors, 1)
        assert found[0][0]["id"] == "r2"


def test_one_file_alone_holds_queries_of_their_own() -> None:
    """Several, an id, and anything to lead away from make one."""
    assert not is_combined(["folder"], [])
    assert is_combined(["a", "b"], [])
    assert is_combined(["a"], ["b"])
    assert is_combined(["id:a"], [])


def test_queries_that_cannot_be_are_one_line(tmp_path: Path) -> None:
    """No such id, another n, directions that cancel out."""
    with pytest.raises(DataError, match=r"^id of a query: expected one that the index has, got 'r99'$"):
        asked(["id:r99"], [], "cosine")
    opposite = Index.build(VectorTable.from_arrays(np.float32([[1, 0], [-1, 0]]), {"id": "ab"}), distance="cosine")
    read = partial(read_queries, k=1, lineage=None)
    with pytest.raises(
        DataError, match=r"^query: expected vectors with a direction in common, got vectors that cancel"
    ):
        read_combined(["id:a", "id:b"], [], opposite, read=read, open_model=None)
    other = write_vectors(tmp_path / "other.parquet", [1])
    with pytest.raises(DataError, match=r"^queries: expected 2 dims as the index has, got 5$"):
        read_combined([other, "id:a"], [], opposite, read=read, open_model=None)


def test_the_model_is_opened_once_and_closed(tmp_path: Path) -> None:
    """Three images, one of them to lead away from; none where ids do."""
    from PIL import Image

    from rows.vectors.lineage import Lineage

    events: list[str] = []

    class Model:
        attributes = None
        attribute_model = None
        lineage = Lineage(artifact="m", version=1, digest="d", space="s", distance="cosine", normalized=False)

        def embed_iter(self, images: Any, *, bad: str) -> Any:
            for _ in images:
                yield VECTORS[len(events) - 1]

    @contextmanager
    def open_model() -> Any:
        events.append("opened")
        yield Model()
        events.append("closed")

    for name in "abc":
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    a, b, c = (str(tmp_path / f"{name}.png") for name in "abc")
    read = partial(read_queries, k=1, lineage=None, vouched=True, num_shown=9)
    queries = read_combined([a, b, "id:r1"], [c], index("cosine"), read=read, open_model=open_model)
    assert events == ["opened", "closed"]
    assert [part.image is not None for part in queries.parts] == [True, True, False, True]
    events.clear()
    read_combined(["id:r1"], [], index("cosine"), read=read, open_model=open_model)
    assert events == []
