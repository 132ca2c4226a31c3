"""Approximate indexes: rows found against brute force, the recall stated, and files that hold the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.search.index import Index
from analysis.search.index_kinds import FLAT_VALUES, choose_kind
from artifact.distances import DISTANCES
from artifact.errors import DataError, UsageError
from rows.vectors.named_images import NamedImages
from rows.vectors.parts import write_part
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable


def mixture(num_rows: int, *, seed: int = 0, dim: int = 16, num_centres: int = 60) -> Any:
    """Normal points around normal centres, so that near ones lie in several lists."""
    centres = np.random.default_rng(99).normal(size=(num_centres, dim))
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(num_rows, dim)) * 0.6
    return (centres[rng.integers(0, num_centres, num_rows)] + spread + 0.3).astype(np.float32)


def table(vectors: Any) -> VectorTable:
    return VectorTable.from_arrays(vectors, {"id": [f"r{row}" for row in range(len(vectors))]})


def exact(references: Any, queries: Any, k: int, distance: str) -> tuple[Any, Any]:
    """Distances and rows of the k nearest, by the artifact's function and a whole sort."""
    apart = np.stack([DISTANCES[distance](query[None].astype(float), references.astype(float)) for query in queries])
    rows = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(apart, rows, axis=1), rows


@pytest.mark.parametrize("distance", DISTANCES)
def test_lists_reach_the_recall_asked_for(distance: str, tmp_path: Path) -> None:
    """Of queries it never saw, after a round trip; distances are exact and no list is the whole table."""
    vectors, queries = mixture(6000), mixture(200, seed=1)
    built = Index.build(table(vectors), distance=distance, kind="ivf", recall=0.95)
    built.save(tmp_path / "i")
    index = Index.open(tmp_path / "i")
    assert (index.kind, index.parameters) == ("ivf", built.parameters)
    found = index.search_table(queries, 10)
    _, rows = exact(vectors, queries, 10, distance)
    got = np.array([int(name[1:]) for name in found["id"].to_pylist()]).reshape(-1, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(got, rows, strict=True)])
    assert 0.92 < recall < 1
    assert 1 <= index.parameters["nprobe"] < index.parameters["nlist"] / 2
    assert index.parameters["recall@10"] >= 0.95
    for query, (found_rows, apart) in enumerate(zip(got, found["distance"].to_numpy().reshape(-1, 10), strict=True)):
        true = DISTANCES[distance](queries[query][None].astype(float), vectors[found_rows].astype(float))
        np.testing.assert_allclose(apart, true, rtol=1e-4, atol=1e-5)
        assert (np.diff(apart) >= 0).all()


def test_search_goes_on_where_torch_took_over_faiss() -> None:
    """pytorch-metric-learning imports these, and every search of the process is then another one."""
    import faiss.contrib.torch_utils  # noqa: F401 - for what importing it does

    vectors = mixture(3000)
    index = Index.build(table(vectors), distance="euclidean", kind="ivf", recall=0.9)
    few = index.search_table(vectors[:3], 2900)  # more than the probed lists hold
    assert few.num_rows == 3 * 2900
    assert few["id"].to_pylist()[::2900] == ["r0", "r1", "r2"]


def test_recall_that_is_reported_is_what_plain_faiss_finds(tmp_path: Path) -> None:
    """Every row is a query: leave-one-out recall of the file, read by faiss alone, against brute force."""
    import faiss

    vectors = np.random.default_rng(0).normal(size=(900, 24)).astype(np.float32)
    built = Index.build(table(vectors), distance="euclidean", kind="ivf", recall=0.97)
    built.save(tmp_path / "i")
    plain = faiss.read_index(str(tmp_path / "i"))
    assert (plain.nlist, plain.nprobe) == (built.parameters["nlist"], built.parameters["nprobe"])
    assert built.parameters["recall_queries"] == 900
    _, found = plain.search(vectors, 11)
    assert (found >= 0).all()  # else Index would have looked into more lists
    _, rows = exact(vectors, vectors, 11, "euclidean")
    right = [len((set(a) & set(b)) - {i}) / 10 for i, (a, b) in enumerate(zip(found, rows, strict=True))]
    assert np.mean(right) == pytest.approx(built.parameters["recall@10"], abs=1e-6)
    assert built.parameters["recall@10"] < 1
    np.testing.assert_array_equal(plain.reconstruct_batch(np.array([7, 899])), vectors[[7, 899]])


def test_more_recall_takes_more_lists_and_all_of_it_is_exact() -> None:
    """Recall 1 over vectors without any clusters: brute force's rows."""
    vectors = np.random.default_rng(0).normal(size=(1500, 24)).astype(np.float32)
    few, many, all_of_it = (
        Index.build(table(vectors), distance="euclidean", kind="ivf", recall=recall).parameters["nprobe"]
        for recall in (0.5, 0.9, 1.0)
    )
    assert few < many < all_of_it


def test_same_seed_same_file(tmp_path: Path) -> None:
    """Byte for byte; another seed gives other lists."""
    vectors = mixture(2000)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        Index.build(table(vectors), distance="cosine", kind="ivf", seed=seed).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_a_query_that_asks_for_more_than_its_lists_hold_looks_further() -> None:
    """All rows come, each once, in order of the true distance."""
    vectors = mixture(400)
    index = Index.build(table(vectors), distance="euclidean", kind="ivf", recall=0.1)
    assert index.parameters["nprobe"] < index.parameters["nlist"]
    (found,) = index.search(vectors[:1], 1000)
    distances, _ = exact(vectors, vectors[:1], 400, "euclidean")
    assert sorted(row["id"] for row in found) == sorted(f"r{row}" for row in range(400))
    np.testing.assert_allclose([row["distance"] for row in found], distances[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["flat", "ivf"])
@pytest.mark.parametrize("distance", DISTANCES)
def test_tiny_and_degenerate_tables_are_indexed(kind: str, distance: str) -> None:
    """One row; copies of one; zero vectors: no NaN, no warning, and k beyond the rows gives all."""
    for vectors in (np.ones((1, 3)), np.ones((50, 3)), np.zeros((20, 3)), np.eye(3)):
        index = Index.build(table(np.float32(vectors)), distance=distance, kind=kind)
        (found,) = index.search(np.float32([[1, 1, 1]]), 99)
        assert len(found) == len(vectors)
        assert index.parameters["recall@10"] == 1
        expected = DISTANCES[distance](np.ones((1, 3), np.float32), np.float32(vectors))
        np.testing.assert_allclose([row["distance"] for row in found], np.sort(expected), atol=1e-6)


def test_part_files_are_indexed_as_the_table_in_memory(tmp_path: Path) -> None:
    """By the path as text; parts of any size, the same file."""
    vectors = mixture(1000)
    for number, part in enumerate(np.split(vectors, [10, 700])):
        rows = {"id": [f"r{number}-{row}" for row in range(len(part))], "embedding": vector_array(part)}
        write_part(tmp_path / "v" / f"part-{number:05d}.parquet", pa.table(rows))
    for kind in ("flat", "ivf"):
        Index.build(str(tmp_path / "v"), distance="euclidean", kind=kind).save(tmp_path / "parts")
        Index.build(table(vectors), distance="euclidean", kind=kind).save(tmp_path / "memory")
        assert (tmp_path / "parts").read_bytes() == (tmp_path / "memory").read_bytes()


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_numbers_that_are_not_finite_are_named_by_their_row(kind: str) -> None:
    """Whether the row is in the sample or not."""
    vectors = mixture(300)
    vectors[217, 3] = np.nan
    with pytest.raises(DataError) as caught:
        Index.build(table(vectors), distance="euclidean", kind=kind)
    assert str(caught.value) == (
        "vectors: expected finite numbers, got NaN or infinity in row 217 (vectors in memory); score the images into "
        "another folder, which leaves such rows out, or remove the row"
    )


def test_kind_follows_from_the_size() -> None:
    """Exact up to FLAT_VALUES numbers, whatever their shape; a kind by name is kept."""
    assert choose_kind("auto", FLAT_VALUES // 128, 128) == "flat"
    assert choose_kind("auto", FLAT_VALUES // 128 + 1, 128) == "ivf"
    assert choose_kind("ivf", 2, 2) == "ivf"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kind": "hnsw"}, "kind: expected one of auto, flat, ivf, int8, rabitq, got 'hnsw'"),
        ({"recall": 0.0}, "recall: expected a share in (0, 1], got 0.0"),
        ({"recall": 1.5}, "recall: expected a share in (0, 1], got 1.5"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], text: str) -> None:
    """One line each."""
    with pytest.raises(UsageError) as caught:
        Index.build(table(mixture(5)), distance="cosine", **options)
    assert str(caught.value) == text


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    """A path to nothing, an array, a path where parts are expected."""
    with pytest.raises(
        DataError, match=r"^table of vectors: expected a folder or a file of vectors, got nothing there"
    ):
        Index.build(str(tmp_path / "gone"))
    with pytest.raises(UsageError, match=r"^table of vectors: expected a VectorTable or a path, got a ndarray$"):
        Index.build(mixture(3))
    with pytest.raises(
        UsageError, match=r"^parts of a table: expected VectorTable.open, for a path, got the path 'v'$"
    ):
        VectorTable("v", source="v")


def test_facts_stand_beside_the_index(tmp_path: Path) -> None:
    """Kind, parameters and the folder of images, which the scoring job names, in the metadata of the rows."""
    from pyarrow import parquet

    (tmp_path / "images").mkdir()
    rows = {"id": [f"{row}.png" for row in range(30)], "embedding": vector_array(mixture(30))}
    write_part(tmp_path / "v" / "part-00000.parquet", pa.table(rows))
    job = {"state": "complete", "source": str(tmp_path / "images")}
    (tmp_path / "v" / "manifest.json").write_text(json.dumps(job))
    Index.build(tmp_path / "v", distance="cosine", kind="ivf").save(tmp_path / "i")
    metadata = parquet.read_schema(tmp_path / "i.rows.parquet").metadata
    facts = json.loads(metadata[b"lookalike.index"])
    assert (facts["kind"], facts["images"]) == ("ivf", str((tmp_path / "images").resolve()))
    assert set(facts["parameters"]) == {
        "nlist",
        "nprobe",
        "recall@10",
        "recall_target",
        "recall_queries",
        "compared",
        "seed",
        "build_seconds",
    }
    assert Index.open(tmp_path / "i").images == NamedImages(source=str((tmp_path / "images").resolve()))
    (tmp_path / "images").rmdir()
    assert VectorTable.open(tmp_path / "v").images is None
