"""Indexes that grow and shrink, beside indexes that are built of the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pytest

from analysis.neighbours.nearest import nearest
from analysis.search.growing_kinds import TRAIN_AGAIN
from analysis.search.growth import add_rows, add_to_file, remove_from_file, remove_rows
from analysis.search.index import Index
from analysis.search.index_files import rows_file
from artifact.distances import DISTANCES
from artifact.errors import DataError, SpaceError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable


def lineage(distance: str = "cosine", space: str = "s", dims: int | None = None) -> Lineage:
    return Lineage(
        artifact="m", version=1, digest="d", space=space * 64, distance=distance, normalized=False, dims=dims
    )


def vectors_of(names: list[int], dim: int = 6) -> Any:
    """The vector of each id, around one of twenty centres; another generation of an id has another."""
    centres = np.random.default_rng(0).normal(size=(20, dim)) * 3
    rows = [centres[name % 20] + np.random.default_rng(name).normal(size=dim) for name in names]
    return np.array(rows, np.float32).reshape(len(rows), dim)


def table_of(names: list[int], *, distance: str = "euclidean", generation: int = 0, **columns: Any) -> VectorTable:
    """Rows whose ids are the numbers as text; `born` says in which generation they came."""
    given = {"id": [str(name) for name in names], "born": [generation] * len(names)} | columns
    matrix = vectors_of([name + 100_000 * generation for name in names])
    return VectorTable.from_arrays(matrix, given, lineage=lineage(distance))


def plain_history(rng: np.random.Generator, steps: int) -> list[tuple[str, list[int]]]:
    """Random adds (some replacing) and removals, with what is there kept in a plain list."""
    there, following, history = list(range(40)), 40, []
    for _ in range(steps):
        size = int(rng.integers(1, 15))
        kind = rng.choice(["add", "replace", "remove"])
        if kind == "add":
            names = list(range(following, following + size))
            following += size
        else:
            names = [int(each) for each in rng.choice(there, min(size, len(there) // 2), replace=False)]
            there = [each for each in there if each not in names]
        if kind != "remove":
            there += names
        history.append((str(kind), names))
    return history


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("seed", range(3))
def test_flat_index_is_the_one_built_of_the_same_rows(distance: str, seed: int) -> None:
    """To the byte: after adds, replacements and removals in random order, so every answer is the same."""
    rng = np.random.default_rng(seed)
    rows = [(name, 0) for name in range(40)]
    index = Index.build(table_of(list(range(40)), distance=distance), kind="flat")
    for generation, (kind, names) in enumerate(plain_history(rng, 12), start=1):
        rows = [row for row in rows if row[0] not in names]
        if kind == "remove":
            change = remove_rows(index, [str(name) for name in names])
            assert (change.num_removed, change.num_added) == (len(names), 0)
        else:
            added = table_of(names, distance=distance, generation=generation)
            change = add_rows(index, added, replace=kind == "replace")
            assert (change.num_added, change.num_replaced) == (len(names), len(names) * (kind == "replace"))
            rows += [(name, generation) for name in names]
        index = change.index
    matrix = vectors_of([name + 100_000 * born for name, born in rows])
    columns = {"id": [str(name) for name, _ in rows], "born": [born for _, born in rows]}
    fresh = Index.build(VectorTable.from_arrays(matrix, columns, lineage=lineage(distance)), kind="flat")
    assert faiss.serialize_index(index._faiss).tobytes() == faiss.serialize_index(fresh._faiss).tobytes()
    assert index.rows.to_pydict() == fresh.rows.to_pydict()
    queries = vectors_of([7, 300, 12])
    assert index.search(queries, 9) == fresh.search(queries, 9)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_inverted_lists_keep_their_recall_through_any_history(distance: str, tmp_path: Path) -> None:
    """Saved and opened at each step: the recall that is told is that of a plain search, and reaches the target."""
    file, there = tmp_path / "i", list(range(600))
    Index.build(table_of(there, distance=distance), kind="ivf", recall=0.95).save(file)
    rng = np.random.default_rng(4)
    for step in range(6):
        if step % 2:
            names = [int(each) for each in rng.choice(there, 150, replace=False)]
            there = [each for each in there if each not in names]
            change = remove_from_file(file, [str(each) for each in names])
        else:
            names = list(range(10_000 * (step + 1), 10_000 * (step + 1) + 200))
            there += names
            change = add_to_file(file, table_of(names, distance=distance))
        index = Index.open(file)
        assert index.parameters == change.index.parameters
        assert index.rows["id"].to_pylist() == [str(each) for each in there]
        matrix = vectors_of(there)
        stored = index.vectors_at(np.arange(len(there)))
        expected = matrix / np.linalg.norm(matrix, axis=1, keepdims=True) if distance == "cosine" else matrix
        np.testing.assert_allclose(stored, expected, atol=1e-6)
        exact = nearest(matrix, matrix, 10, distance=distance, own=np.arange(len(there)))[0][:, -1]
        found = index.search_table(matrix, 11)["distance"].to_numpy().reshape(-1, 11)[:, 1:]
        true_recall = float((found <= exact[:, None] * (1 + 1e-5) + 1e-6).mean())
        assert index.recall is not None
        assert index.recall >= 0.95
        assert true_recall == pytest.approx(index.recall, abs=0.02)


def test_lists_are_trained_again_where_they_no_longer_suit() -> None:
    """Rows far from every centre that was trained, all in one list, until a query meets too many; it is told."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(800, 8)).astype(np.float32)
    index = Index.build(VectorTable.from_arrays(near, {"id": range(800)}), distance="euclidean", kind="ivf")
    before = index.parameters
    again = add_rows(index, _far(8, 20, 1_000), distance="euclidean")
    assert not again.is_trained_again
    assert again.index.parameters["trained_rows"] == 800
    change = add_rows(again.index, _far(1600, 20, 10_000), distance="euclidean")
    assert change.is_trained_again
    assert "trained_rows" not in change.index.parameters
    fresh = Index.build(
        VectorTable.from_arrays(change.index.vectors_at(np.arange(2408)), {"id": range(2408)}),
        distance="euclidean",
        kind="ivf",
    )
    assert change.index.parameters["compared"] == fresh.parameters["compared"]
    assert change.index.parameters["nlist"] == fresh.parameters["nlist"] > before["nlist"]
    assert TRAIN_AGAIN == 2.0


def _far(count: int, shift: float, first: int) -> VectorTable:
    rng = np.random.default_rng(first)
    matrix = (rng.normal(size=(count, 8)) + shift).astype(np.float32)
    return VectorTable.from_arrays(matrix, {"id": range(first, first + count)})


def test_ids_that_are_there_are_refused_and_nothing_changes(tmp_path: Path) -> None:
    """How many, the first, and what puts them in the place of the old ones."""
    file = tmp_path / "i"
    Index.build(table_of([1, 2, 3])).save(file)
    before = file.read_bytes(), rows_file(file).read_bytes()
    with pytest.raises(DataError) as caught:
        add_to_file(file, table_of([9, 3, 2], generation=1))
    assert str(caught.value) == (
        "ids to add: expected ids that the index does not have, got 2 that it has, first '3' (vectors in memory); "
        "--replace puts the new rows in the place of the old ones"
    )
    with pytest.raises(DataError) as caught:
        remove_from_file(file, ["1", "8", "x", "8"])
    assert str(caught.value) == (
        "ids to remove: expected ids that the index has, got 2 that it has not, first '8'; none is removed"
    )
    with pytest.raises(DataError, match=r"^ids to remove: expected rows that are left, got the ids of all 3; "):
        remove_from_file(file, ["1", "2", "3"])
    with pytest.raises(DataError, match=r"^ids to add: expected one row for each id, got 1 rows .* first '7'"):
        add_to_file(file, table_of([7, 8, 7]))
    with pytest.raises(DataError, match=r"^ids to add: expected one in every row, got none in 1 rows"):
        add_to_file(file, table_of([7, 8], id=["a", None]))
    assert (file.read_bytes(), rows_file(file).read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i", "i.rows.parquet"]


def test_ids_that_an_older_index_holds_twice_go_together() -> None:
    """Removed and replaced with all their rows; others are added beside them."""
    doubles = VectorTable.from_arrays(vectors_of([1, 2, 3]), {"id": ["a", "a", "b"]}, lineage=lineage("euclidean"))
    one = VectorTable.from_arrays(vectors_of([4]), {"id": ["a"]}, lineage=lineage("euclidean"))
    change = add_rows(Index.build(doubles), one, replace=True)
    assert (change.num_added, change.num_replaced) == (1, 2)
    assert change.index.rows["id"].to_pylist() == ["b", "a"]
    change = remove_rows(Index.build(doubles), ["a"])
    assert (change.num_removed, change.index.rows["id"].to_pylist()) == (2, ["b"])


def test_columns_widen_as_parts_of_a_table_do() -> None:
    """Numbers and text become text, also ids; columns that the index lacks are left out, its own are needed."""
    first = VectorTable.from_arrays(vectors_of([1, 2]), {"id": [1, 2], "size": pa.array([3, 4], pa.int8())})
    second = VectorTable.from_arrays(
        vectors_of([3]), {"id": ["x7"], "size": pa.array([300], pa.int64()), "more": [1.0]}
    )
    change = add_rows(Index.build(first, distance="euclidean"), second)
    assert change.index.rows.schema == pa.schema([("id", pa.string()), ("size", pa.int64())])
    assert change.index.rows.to_pydict() == {"id": ["1", "2", "x7"], "size": [3, 4, 300]}
    assert change.notes == [
        'column "id" of the index is string from now on, and was int64',
        'column "size" of the index is int64 from now on, and was int8',
        "nothing says which model gave the vectors of the index and the table: they are taken to be of one space",
        "columns that the index does not have are left out: more",
    ]
    with pytest.raises(DataError, match=r"got 1 that it has, first '2'"):
        add_rows(change.index, VectorTable.from_arrays(vectors_of([3]), {"id": [2], "size": [1]}))
    with pytest.raises(DataError, match=r'^column "size": expected one of id, embedding, got no such column'):
        add_rows(change.index, VectorTable.from_arrays(vectors_of([3]), {"id": [5]}))
    with pytest.raises(DataError, match=r'^column "id": expected one of size, embedding, got no such column'):
        add_rows(change.index, VectorTable.from_arrays(vectors_of([3]), {"size": [5]}))
    with pytest.raises(DataError, match=r'^column "size": expected int64, as in the index, got list<'):
        add_rows(change.index, VectorTable.from_arrays(vectors_of([3]), {"id": [5], "size": [["a"]]}))


def test_vectors_of_other_spaces_and_widths_are_refused() -> None:
    """Another model, other prefixes, another distance, another n; a vouched table without lineage is taken."""
    index = Index.build(table_of([1, 2, 3]))
    other = VectorTable.from_arrays(vectors_of([4]), {"id": ["4"], "born": [0]}, lineage=lineage("euclidean", "t"))
    with pytest.raises(SpaceError, match=r"^vectors of two spaces: .* got the index of m .* and the table of m "):
        add_rows(index, other)
    cut = VectorTable.from_arrays(vectors_of([4]), {"id": ["4"], "born": [0]}, lineage=lineage("euclidean", dims=6))
    with pytest.raises(SpaceError, match=r"^vectors and prefixes of them: "):
        add_rows(index, cut)
    foreign = VectorTable.from_arrays(vectors_of([4]), {"id": ["4"], "born": [0]})
    with pytest.raises(SpaceError, match=r"or say with --distance euclidean that they are of one space all the same$"):
        add_rows(index, foreign)
    with pytest.raises(UsageError, match=r"^distance: expected euclidean, as the index was built, got cosine$"):
        add_rows(index, foreign, distance="cosine")
    wide = VectorTable.from_arrays(vectors_of([4], dim=7), {"id": ["4"], "born": [0]})
    with pytest.raises(DataError, match=r"^vectors: expected 6 dims as the index has, got 7"):
        add_rows(index, wide, distance="euclidean")
    assert add_rows(index, foreign, distance="euclidean").num_added == 1


def test_bad_numbers_leave_the_file_as_it_was(tmp_path: Path) -> None:
    """A NaN in a late batch: nothing is written."""
    file = tmp_path / "i"
    Index.build(table_of([1, 2, 3])).save(file)
    before = file.read_bytes()
    matrix = vectors_of(list(range(10, 40)))
    matrix[20, 3] = np.nan
    bad = VectorTable.from_arrays(matrix, {"id": range(10, 40), "born": [1] * 30}, lineage=lineage("euclidean"))
    with pytest.raises(DataError, match="row 20"):
        add_to_file(file, bad)
    assert file.read_bytes() == before
    assert Index.open(file).num_rows == 3


def test_mapped_indexes_are_not_changed(tmp_path: Path) -> None:
    """What is mapped is a file that others search."""
    Index.build(table_of([1, 2, 3])).save(tmp_path / "i")
    with pytest.raises(
        UsageError, match=r"^index: expected one in memory to change, got a mapped one; is_mapped=False$"
    ):
        remove_rows(Index.open(tmp_path / "i"), ["1"])


def test_one_row_and_two_rows_grow_and_shrink() -> None:
    """The smallest of both kinds."""
    for kind in ("flat", "ivf"):
        index = Index.build(table_of([1]), kind=kind)
        index = add_rows(index, table_of([2], generation=1)).index
        index = remove_rows(index, ["1"]).index
        assert index.rows["id"].to_pylist() == ["2"]
        assert index.search(vectors_of([100_002]), 5)[0][0]["distance"] == pytest.approx(0, abs=1e-6)
