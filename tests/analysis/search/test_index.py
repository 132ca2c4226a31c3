"""Neighbours and the search index against brute force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.neighbours.nearest import nearest
from analysis.search.index import Index, rows_file
from artifact.distances import DISTANCES
from artifact.errors import DataError, OutputError, SpaceError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable


def lineage(distance: str = "cosine", space: str = "s") -> Lineage:
    return Lineage(artifact="m", version=1, digest="d", space=space * 64, distance=distance, normalized=False)


def vectors(num_rows: int, seed: int, dim: int = 7) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(num_rows, dim)) * rng.uniform(0.1, 9, size=(num_rows, 1)) + 0.5).astype(np.float32)


def brute(references: Any, queries: Any, k: int, distance: str, *, exclude_self: bool = False) -> tuple[Any, Any]:
    """Every pair by the artifact's own function in float64, sorted by (distance, row)."""
    distances, rows = [], []
    for i, query in enumerate(queries):
        apart = DISTANCES[distance](query.astype(np.float64)[None], references.astype(np.float64))
        pairs = sorted((float(d), j) for j, d in enumerate(apart) if not (exclude_self and j == i))[:k]
        distances.append([d for d, _ in pairs])
        rows.append([j for _, j in pairs])
    return np.array(distances), np.array(rows)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("exclude_self", [False, True])
def test_neighbours_equal_brute_force(distance: str, exclude_self: bool) -> None:
    """Rows and real distances (euclidean is no square), unnormalised vectors."""
    references = vectors(200, 1)
    queries = references if exclude_self else vectors(50, 2)
    own = np.arange(len(queries)) if exclude_self else None
    distances, rows = nearest(references, queries, 5, distance=distance, own=own)
    expected = brute(references, queries, 5, distance, exclude_self=exclude_self)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(distances, expected[0], rtol=1e-5, atol=1e-6)
    assert (distances.dtype, rows.dtype) == (np.float32, np.int64)


def test_the_distances_disagree_on_these_vectors() -> None:
    """Otherwise the test above could not tell them apart."""
    found = [nearest(vectors(200, 1), vectors(50, 2), 5, distance=name)[1] for name in ("euclidean", "cosine")]
    assert (found[0] != found[1]).mean() > 0.2


def test_references_far_from_the_origin_keep_their_neighbours() -> None:
    """A float32 product would rank these by rounding noise."""
    references = vectors(3000, 3, 2) + np.float32(3000)
    distances, rows = nearest(references, references, 3, distance="euclidean", own=np.arange(len(references)))
    expected = brute(references, references, 3, "euclidean", exclude_self=True)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(distances, expected[0], rtol=1e-5)


def test_equal_references_are_neighbours_at_zero_in_order_of_row() -> None:
    """Duplicates, more of them than k + 1: no row is its own neighbour, and no distance but 0."""
    references = np.repeat(vectors(3, 4), 30, axis=0)
    distances, rows = nearest(references, references, 4, distance="euclidean", own=np.arange(len(references)))
    assert (distances == 0).all()
    assert (rows != np.arange(90)[:, None]).all()
    assert (rows // 30 == np.arange(90)[:, None] // 30).all()
    assert (np.diff(rows, axis=1) > 0).all()
    few = np.array([[0, 0], [1, 1], [0, 0], [0, 0]], np.float32)
    assert nearest(few, few[:1], 3, distance="euclidean")[1].tolist() == [[0, 2, 3]]


def test_some_rows_of_the_references_leave_themselves_out() -> None:
    """Twelve equal vectors among forty: no row is its own neighbour, and each answer is as long as asked for."""
    references, own = vectors(40, 6), np.array([0, 3, 11, 20, 39])
    references[:12] = 0.5
    distances, rows = nearest(references, references[own], 5, distance="euclidean", own=own)
    assert not (rows == own[:, None]).any()
    expected = brute(references, references, 5, "euclidean", exclude_self=True)
    np.testing.assert_allclose(distances, expected[0][own], rtol=1e-5)
    with pytest.raises(UsageError, match="own: expected a row for each of 3 queries, got 2"):
        nearest(references, references[:3], 1, distance="euclidean", own=own[:2])


def test_zero_vector_is_at_cosine_distance_one_of_all() -> None:
    """And nothing is NaN."""
    distances, _ = nearest(vectors(5, 1), np.zeros((1, 7), np.float32), 5, distance="cosine")
    assert distances.tolist() == [[1, 1, 1, 1, 1]]


@pytest.mark.parametrize(
    ("k", "options", "text"),
    [
        (0, {}, "k: expected 1 to 4, the neighbours there are, got 0"),
        (5, {}, "k: expected 1 to 4, the neighbours there are, got 5"),
        (4, {"own": np.arange(4)}, "k: expected 1 to 3, the neighbours there are, got 4"),
        (1, {"distance": "l1"}, "distance: expected one of euclidean, squared_euclidean, cosine, got 'l1'"),
    ],
)
def test_neighbours_out_of_range_are_refused(k: int, options: dict[str, Any], text: str) -> None:
    """k, and the name of the distance."""
    with pytest.raises(UsageError) as caught:
        nearest(vectors(4, 0), vectors(4, 0), k, **({"distance": "cosine"} | options))
    assert str(caught.value) == text


def test_queries_of_another_dim_are_refused() -> None:
    """Both dims are named."""
    with pytest.raises(DataError) as caught:
        nearest(vectors(4, 0, 7), vectors(4, 0, 6), 1, distance="cosine")
    assert str(caught.value) == "queries: expected 7 dims as the references have, got 6"


def table(distance: str = "cosine", num_rows: int = 60) -> VectorTable:
    columns = {"id": [f"r{i}" for i in range(num_rows)], "label": [i % 3 for i in range(num_rows)]}
    return VectorTable.from_arrays(vectors(num_rows, 1), columns, lineage=lineage(distance))


@pytest.mark.parametrize("distance", DISTANCES)
def test_index_finds_what_brute_force_finds_after_a_round_trip(distance: str, tmp_path: Path) -> None:
    """Built, saved, opened: rows come back by query and rank, with their copied columns and real distances."""
    Index.build(table(distance)).save(tmp_path / "shoes.faiss")
    index = Index.open(tmp_path / "shoes.faiss")
    assert (index.num_rows, index.dim, index.distance, index.lineage) == (60, 7, distance, lineage(distance))
    queries = vectors(9, 2)
    found = index.search_table(queries, 4, lineage=lineage(distance))
    distances, rows = brute(table().matrix, queries, 4, distance)
    assert found.schema.names == ["query", "rank", "distance", "id", "label"]
    assert found["query"].to_pylist() == [q for q in range(9) for _ in range(4)]
    assert found["rank"].to_pylist() == [1, 2, 3, 4] * 9
    assert found["id"].to_pylist() == [f"r{row}" for row in rows.reshape(-1)]
    assert found["label"].to_pylist() == (rows.reshape(-1) % 3).tolist()
    np.testing.assert_allclose(found["distance"].to_numpy(), distances.reshape(-1), rtol=1e-5, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shoes.faiss", "shoes.faiss.rows.parquet"]


def test_rows_come_from_every_chunk_of_the_table() -> None:
    """Copied columns in many chunks, of every width, null ones among them; no column is put together for a search."""
    references, words = vectors(60, 1), pa.chunked_array([["a"] * 7, [], [None] * 50, ["ccc"] * 3])
    rows = pa.table(
        {"id": pa.chunked_array([range(20), range(20, 60)]), "word": words, "more": [[i] for i in range(60)]}
    )
    index = Index.build(VectorTable.from_arrays(references), distance="euclidean")
    index = Index(index._faiss, rows, distance="euclidean", lineage=None, kind="flat")
    _, found = brute(references, vectors(9, 2), 20, "euclidean")
    expected = rows.combine_chunks().take(found.reshape(-1)).to_pydict()
    assert index.search_table(vectors(9, 2), 20).select(["id", "word", "more"]).to_pydict() == expected
    assert len(set(expected["id"])) > 30


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_distances_beyond_float32_are_one_line(kind: str) -> None:
    """Finite numbers whose squares are not: faiss finds nothing."""
    large = vectors(60, 1) * np.float32(1e20)
    index = Index.build(VectorTable.from_arrays(vectors(60, 1)), distance="euclidean", kind=kind)
    for queries in (large[:2], large):
        with pytest.raises(DataError, match=r"^vectors: expected squared distances within float32, got larger ones$"):
            index.search(queries, 3)


def test_search_gives_a_list_of_rows_for_each_query() -> None:
    """The rows of search_table as plain dicts, nearest first; an index smaller than k gives what it has."""
    index, queries = Index.build(table(num_rows=6)), vectors(3, 2)
    for k in (1, 4, 6, 50):
        found, flat = index.search(queries, k), index.search_table(queries, k).to_pylist()
        assert [len(rows) for rows in found] == [min(k, 6)] * 3
        assert [list(row) for rows in found for row in rows] == [["id", "distance", "label"]] * len(flat)
        for query, rows in enumerate(found):
            expected = [{n: row[n] for n in ("id", "distance", "label")} for row in flat if row["query"] == query]
            assert rows == expected


def test_index_file_is_plain_faiss(tmp_path: Path) -> None:
    """Anyone can read it: squared euclidean distances of the vectors as they are."""
    import faiss

    Index.build(table("euclidean")).save(tmp_path / "i")
    plain = faiss.read_index(str(tmp_path / "i"))
    np.testing.assert_array_equal(plain.reconstruct_n(0, 60), table().matrix)
    assert plain.search(table().matrix[7:8], 1)[1].tolist() == [[7]]


def test_more_neighbours_than_rows_gives_all_rows() -> None:
    """An index of 60 rows asked for 1000."""
    assert Index.build(table()).search_table(vectors(2, 5), 1000).num_rows == 120


def test_index_refuses_references_of_another_space() -> None:
    """And queries of another dim, and k = 0."""
    index = Index.build(table())
    with pytest.raises(SpaceError) as caught:
        index.search(vectors(1, 0), 1, lineage=lineage(space="t"))
    assert str(caught.value) == (
        "vectors of two spaces: expected vectors of one model in one precision, got an index of m version 1 "
        "(space ssssssssssss) and queries of m version 1 (space tttttttttttt); score both tables with the same model"
    )
    with pytest.raises(DataError, match=r"^queries: expected 7 dims as the references have, got 3$"):
        index.search(vectors(1, 0, 3), 1)
    with pytest.raises(UsageError, match=r"^k: expected at least 1, got 0$"):
        index.search(vectors(1, 0), 0)


def test_index_and_rows_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    """As after a kill between the two renames, or when one file was copied alone."""
    file = tmp_path / "i.faiss"
    Index.build(table(num_rows=60)).save(file)
    before = file.read_bytes()
    Index.build(table(num_rows=61)).save(file)
    assert Index.open(file).num_rows == 61
    file.write_bytes(before)
    with pytest.raises(DataError) as caught:
        Index.open(file)
    assert str(caught.value) == (
        f"index: expected the faiss file that i.faiss.rows.parquet was written with, got another one ({file}); "
        "build the index again"
    )
    rows_file(file).write_bytes(b"junk")
    with pytest.raises(DataError, match=r"^index rows: expected what Index.save wrote, got "):
        Index.open(file)
    rows_file(file).unlink()
    with pytest.raises(DataError) as caught:
        Index.open(file)
    assert str(caught.value) == (
        f"index: expected i.faiss and i.faiss.rows.parquet, got no i.faiss.rows.parquet ({tmp_path})"
    )


def test_index_of_a_later_kind_is_refused(tmp_path: Path) -> None:
    """The kind is recorded, so that an approximate one can come."""
    from pyarrow import parquet

    file = tmp_path / "i"
    Index.build(table()).save(file)
    rows = parquet.read_table(rows_file(file))
    facts = json.loads(rows.schema.metadata[b"lookalike.index"])
    assert facts["kind"] == "flat"
    metadata = rows.schema.metadata | {b"lookalike.index": json.dumps(facts | {"kind": "tree"}).encode()}
    parquet.write_table(rows.replace_schema_metadata(metadata), rows_file(file))
    with pytest.raises(DataError) as caught:
        Index.open(file)
    assert str(caught.value) == f"index: expected a kind of flat, ivf, int8, rabitq, got kind tree ({file})"


def test_index_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    """A folder in its place, a file above it, a name too long: one OutputError, and no index without its rows."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for place in ("folder", "file/i", "i" * 300):
        with pytest.raises(OutputError):
            Index.build(table()).save(tmp_path / place)
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_references_without_lineage_need_a_distance() -> None:
    """And with lineage no other one is taken."""
    foreign = VectorTable.from_arrays(vectors(4, 0), {"id": list("abcd")})
    with pytest.raises(UsageError) as caught:
        Index.build(foreign)
    assert str(caught.value) == (
        "distance: expected a name, for vectors without lineage, got none (vectors in memory); "
        "name one of euclidean, squared_euclidean, cosine with --distance (in Python, distance=...)"
    )
    assert Index.build(foreign, distance="euclidean").search(vectors(4, 0)[:1], 1) == [[{"id": "a", "distance": 0.0}]]
    with pytest.raises(UsageError) as caught:
        Index.build(table("cosine"), distance="euclidean")
    assert str(caught.value) == ("distance: expected cosine, as m was trained, got euclidean (vectors in memory)")
