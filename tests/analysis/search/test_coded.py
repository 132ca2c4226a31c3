"""Indexes of codes: what they find, what they say of it, and their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.neighbours.nearest import nearest
from analysis.search.exact_vectors import vectors_files
from analysis.search.graph import neighbour_graph
from analysis.search.growth import add_to_file, remove_from_file
from analysis.search.index import Index
from artifact.errors import DataError, OutputError, UsageError
from rows.vectors.table import VectorTable

KINDS = ["rabitq", "int8"]
DISTANCES = ["euclidean", "squared_euclidean", "cosine"]


def clustered(num_rows: int, dim: int = 24, *, seed: int = 0) -> np.ndarray:
    """Vectors around 40 centres, far from the origin along one axis."""
    rng = np.random.default_rng(seed)
    vectors = np.random.default_rng(9).normal(size=(40, dim))[rng.integers(0, 40, num_rows)]
    return (vectors + 0.3 * rng.normal(size=(num_rows, dim)) + 2 * np.eye(dim)[0]).astype(np.float32)


def table_of(vectors: np.ndarray) -> VectorTable:
    return VectorTable.from_arrays(vectors, {"id": [str(row) for row in range(len(vectors))]})


def built(vectors: np.ndarray, kind: str, **options: object) -> Index:
    return Index.build(table_of(vectors), **{"distance": "euclidean", "kind": kind, **options})  # type: ignore[arg-type]


def rows_of(index: Index, queries: np.ndarray, k: int) -> np.ndarray:
    return np.array(index.search_table(queries, k)["id"].to_pylist(), int).reshape(len(queries), -1)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("kind", KINDS)
def test_coded_index_finds_what_exact_search_finds(kind: str, distance: str) -> None:
    """recall@10 of queries that it never saw, and the distances of what it found, which are exact."""
    vectors, queries = clustered(3000), clustered(200, seed=1)
    index = built(vectors, kind, distance=distance)
    apart, near = nearest(vectors, queries, 10, distance=distance)
    found = rows_of(index, queries, 10)
    recall = np.mean([len(set(a) & set(b)) for a, b in zip(found, near, strict=True)]) / 10
    assert recall > 0.95
    told = np.asarray(index.search_table(queries, 10)["distance"]).reshape(found.shape)
    is_same = found == near
    np.testing.assert_allclose(told[is_same], apart[is_same], rtol=1e-4, atol=1e-6)
    facts = index.parameters
    assert facts["recall@10"] >= facts["recall_target"] == 0.97
    assert facts["code_bytes"] == {"rabitq": 24 // 8 + 8, "int8": 24}[kind]
    assert (facts["id_bytes"], facts["vector_bytes"]) == (8, 96)
    assert not index.is_exact


def test_coded_index_has_24_bytes_of_128_dims() -> None:
    """A bit a number, and two floats."""
    assert built(clustered(50, 128), "rabitq").parameters["code_bytes"] == 24


def test_coded_recall_is_that_of_its_own_rows_by_hand() -> None:
    """All rows ask, for eleven, of which each is one itself; so a few candidates more are compared."""
    vectors = clustered(900)
    index = built(vectors, "rabitq", recall=0.8)
    near = nearest(vectors, vectors, 10, distance="euclidean", own=np.arange(900))[1]
    found = [[row for row in rows if row != own][:10] for own, rows in enumerate(rows_of(index, vectors, 11))]
    by_hand = np.mean([len(set(a) & set(b)) for a, b in zip(found, near, strict=True)]) / 10
    assert index.recall <= by_hand < index.recall + 0.03
    assert 0.8 <= index.recall < 0.95


def test_coded_candidates_are_as_few_as_reach_the_recall() -> None:
    """One candidate less does not, one list less covers less than half of what may be missed."""
    vectors = clustered(3000)
    low, high = (built(vectors, "rabitq", recall=recall).parameters for recall in (0.8, 0.99))
    assert low["candidates"] < high["candidates"]
    assert low["nprobe"] <= high["nprobe"]
    assert high["recall@10"] >= 0.99
    assert low["recall@10"] < 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_coded_index_is_the_same_when_it_is_opened(kind: str, tmp_path: Path) -> None:
    """Three files; answers to the byte; the same seed writes the same bytes."""
    vectors = clustered(800)
    for name in ("a", "b"):
        built(vectors, kind).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    opened = Index.open(tmp_path / "a")
    assert opened.search_table(vectors[:20], 5).equals(built(vectors, kind).search_table(vectors[:20], 5))
    (beside,) = vectors_files(tmp_path / "a")
    np.testing.assert_array_equal(np.load(beside), vectors)
    assert opened.vectors_at(np.array([3, 700])).tolist() == vectors[[3, 700]].tolist()


def test_coded_index_keeps_unit_vectors_for_cosine(tmp_path: Path) -> None:
    """As every index of directions does."""
    built(clustered(100), "rabitq", distance="cosine").save(tmp_path / "i")
    (beside,) = vectors_files(tmp_path / "i")
    np.testing.assert_allclose(np.linalg.norm(np.load(beside), axis=1), 1, rtol=1e-5)


def test_coded_index_refuses_other_vectors(tmp_path: Path) -> None:
    """Gone, of another size, or of other numbers: one line each that names the file."""
    file = tmp_path / "i"
    built(clustered(300), "rabitq").save(file)
    (beside,) = vectors_files(file)
    right = np.load(beside)
    for wrong in (right[:-1], right + 1, right.astype(np.float64)):
        np.save(beside, wrong)
        with pytest.raises(DataError, match="vectors of the index: expected the file that it was written with"):
            Index.open(file)
    beside.write_bytes(b"")
    with pytest.raises(DataError, match="got another one"):
        Index.open(file)
    beside.unlink()
    with pytest.raises(DataError, match=f"expected {beside.name} beside it, got no such file"):
        Index.open(file)


def test_coded_index_leaves_no_vectors_of_an_older_one(tmp_path: Path) -> None:
    """Of its own name only; an index of whole vectors in its place leaves none at all."""
    file, other = tmp_path / "i", tmp_path / "i.b"
    built(clustered(100), "rabitq").save(other)
    built(clustered(100), "rabitq").save(file)
    first = vectors_files(file)
    old = Index.open(file)
    built(clustered(100, seed=1), "int8").save(file)
    assert len(vectors_files(file)) == 1
    assert vectors_files(file) != first
    assert len(old.search_table(clustered(3), 5)) == 15
    built(clustered(100), "flat").save(file)
    assert vectors_files(file) == []
    assert len(vectors_files(other)) == 1


@pytest.mark.parametrize("is_there", [False, True])
def test_coded_index_that_cannot_be_written_leaves_what_was_there(
    is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one with its vectors, or nothing."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "i"
    if is_there:
        built(clustered(100), "rabitq").save(file)
    before = sorted(tmp_path.iterdir())
    with monkeypatch.context() as context:
        context.setattr("analysis.search.index_files.write_part", full)
        with pytest.raises(OutputError, match="No space left"):
            built(clustered(100, seed=1), "rabitq").save(file)
    assert sorted(tmp_path.iterdir()) == before
    if is_there:
        np.testing.assert_array_equal(Index.open(file).vectors_at(np.arange(100)), clustered(100))


def test_coded_index_can_be_moved_with_its_files(tmp_path: Path) -> None:
    """Every file by another name before the same ending."""
    built(clustered(100), "rabitq").save(tmp_path / "i")
    for each in list(tmp_path.iterdir()):
        each.rename(tmp_path / ("moved" + each.name.removeprefix("i")))
    assert Index.open(tmp_path / "moved").num_rows == 100


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_rows", [1, 2, 9])
def test_coded_index_of_few_rows(kind: str, num_rows: int, tmp_path: Path) -> None:
    """As many answers as there are rows, at any distance."""
    vectors = clustered(num_rows, 3)
    for distance in DISTANCES:
        built(vectors, kind, distance=distance).save(tmp_path / "i")
        found = rows_of(Index.open(tmp_path / "i"), vectors, 20)
        assert sorted(found[0]) == list(range(num_rows))
        assert found[0, 0] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_coded_index_of_copies_names_the_lowest(kind: str) -> None:
    """Every row at one point: all are found, the lower first."""
    index = built(np.ones((50, 4), np.float32), kind)
    assert index.recall == 1.0
    assert rows_of(index, np.ones((1, 4), np.float32), 50)[0].tolist() == list(range(50))


def test_coded_index_under_a_condition_is_exact() -> None:
    """Its rows are compared by their vectors, however many ask."""
    vectors = clustered(3000)
    some = built(vectors, "rabitq").of_rows(np.arange(0, 3000, 2), num_queries=1 << 20)
    assert some.is_exact
    near = nearest(vectors[::2], vectors[:50], 10, distance="euclidean")[1]
    assert (rows_of(some, vectors[:50], 10) == 2 * near).mean() > 0.999


def test_coded_index_does_not_change_in_place(tmp_path: Path) -> None:
    """Adding and removing say to build it again, and leave it as it was."""
    file = tmp_path / "i"
    built(clustered(100), "rabitq").save(file)
    before = file.read_bytes()
    expected = "expected kind flat or ivf to change, got kind rabitq; build it again"
    with pytest.raises(UsageError, match=expected):
        add_to_file(file, VectorTable.from_arrays(clustered(3, seed=2), {"id": ["x", "y", "z"]}))
    with pytest.raises(UsageError, match=expected):
        remove_from_file(file, ["3"])
    with pytest.raises(UsageError):
        Index.open(file, is_mapped=False).take_vectors()
    assert file.read_bytes() == before


def test_neighbour_graph_refuses_codes() -> None:
    """It asks for all rows within a distance, which codes do not tell."""
    with pytest.raises(UsageError, match="kind of a graph's index: expected one of flat, ivf, got 'rabitq'"):
        neighbour_graph(table_of(clustered(30)), 3, distance="euclidean", kind="rabitq")
