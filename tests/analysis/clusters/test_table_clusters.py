"""Clusters of whole tables: the facts of each cluster by brute force, and training on a sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from analysis.clusters import table_clusters as clusters
from analysis.clusters.kmeans import kmeans
from analysis.clusters.table_clusters import cluster_table
from analysis.evaluation import labelled_tables as evaluation
from analysis.evaluation.labelled_tables import evaluate
from artifact.distances import DISTANCES
from artifact.errors import DataError, UsageError
from rows.vectors.table import VectorTable


def blobs(num_rows: int = 400, num_classes: int = 6) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, num_rows)
    centres = rng.normal(size=(num_classes, 5)) * 4
    return (centres[labels] + rng.normal(size=(num_rows, 5)) + 3).astype(np.float32), labels


def table(vectors: Any) -> VectorTable:
    return VectorTable.from_arrays(vectors, {"id": [f"r{row}" for row in range(len(vectors))]})


@pytest.mark.parametrize("distance", DISTANCES)
def test_each_cluster_is_described_by_its_rows(distance: str, tmp_path: Path) -> None:
    """Size, mean distance, and a medoid that no other row of the cluster beats; the file says the same."""
    vectors, _ = blobs()
    found = cluster_table(table(vectors), 6, tmp_path / "c.parquet", distance=distance)
    written = parquet.read_table(tmp_path / "c.parquet").to_pydict()
    assert [row["cluster"] for row in found.rows()] == list(range(6))
    for row in found.rows():
        members = np.flatnonzero(np.array(written["cluster"]) == row["cluster"])
        assert row["size"] == len(members)
        apart = DISTANCES[distance](vectors[members], found.centroids[row["cluster"]])
        assert row["mean_distance"] == pytest.approx(apart.mean(), rel=1e-5)
        np.testing.assert_allclose(np.array(written["centroid_distance"])[members], apart, rtol=1e-5)
        by = "cosine" if distance == "cosine" else "squared_euclidean"
        sums = [DISTANCES[by](vectors[members], vectors[member]).sum(dtype=float) for member in members]
        assert row["medoid"] == f"r{members[np.argmin(sums)]}"
        assert [written["id"][at] for at in members if written["is_medoid"][at]] == [row["medoid"]]
    assert (found.training_rows, found.silhouette_rows, found.num_rows) == (400, 400, 400)
    from sklearn.metrics import silhouette_score

    metric = {"squared_euclidean": "sqeuclidean"}.get(distance, distance)
    assert found.silhouette == pytest.approx(silhouette_score(vectors, found.assignments, metric=metric), abs=1e-5)


def test_vectors_alone_are_clustered_by_row_number(tmp_path: Path) -> None:
    """A table with no other column: its ids are the numbers of its rows."""
    found = cluster_table(VectorTable.from_arrays(blobs(9)[0]), 1, tmp_path / "c.parquet", distance="cosine")
    assert parquet.read_table(tmp_path / "c.parquet")["id"].to_pylist() == list("012345678")
    assert found.rows()[0]["medoid"] == str(found.medoids[0])


def test_large_tables_are_trained_on_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is still in the cluster of its nearest centroid, and the result is about as good."""
    vectors, _ = blobs(5000)
    monkeypatch.setattr(clusters, "ALL_ROWS", 100)
    monkeypatch.setattr(clusters, "SILHOUETTE_ROWS", 500)
    found = cluster_table(table(vectors), 6, tmp_path / "c.parquet", distance="euclidean")
    assert (found.training_rows, found.silhouette_rows, found.num_rows) == (6 * 256, 500, 5000)
    squared = np.square(vectors[:, None] - found.centroids[None].astype(float)).sum(axis=-1)
    assert (found.assignments == squared.argmin(axis=1)).mean() > 0.999
    assert found.inertia == pytest.approx(squared.min(axis=1).sum(), rel=1e-4)
    assert found.inertia < 1.02 * kmeans(vectors, 6).inertia
    assert found.sizes.tolist() == sorted(np.bincount(found.assignments, minlength=6).tolist(), reverse=True)
    again = cluster_table(table(vectors), 6, tmp_path / "d.parquet", distance="euclidean")
    assert (tmp_path / "c.parquet").read_bytes() == (tmp_path / "d.parquet").read_bytes()
    assert again.silhouette == found.silhouette


@pytest.mark.parametrize("distance", DISTANCES)
def test_degenerate_tables_are_clustered(distance: str, tmp_path: Path) -> None:
    """One row; fewer distinct vectors than clusters; zero vectors: empty clusters are said to be, nothing is NaN."""
    for vectors, k in ((np.ones((1, 2)), 1), (np.ones((5, 2)), 3), (np.zeros((4, 2)), 2)):
        found = cluster_table(table(np.float32(vectors)), k, tmp_path / "c.parquet", distance=distance)
        assert found.rows()[0]["size"] == len(vectors)
        assert found.rows()[0]["medoid"] == "r0"
        for row in found.rows()[1:]:
            assert row == {
                "cluster": row["cluster"],
                "size": 0,
                "medoid": None,
                "mean_distance": None,
                "silhouette": None,
            }
        assert found.silhouette is None


def test_clustering_refuses_in_one_line(tmp_path: Path) -> None:
    """More clusters than rows, numbers that are not finite, a path to nothing; and no file is left."""
    vectors, _ = blobs(20)
    with pytest.raises(UsageError, match=r"^k: expected 1 to 20, the number of vectors, got 21$"):
        cluster_table(table(vectors), 21, tmp_path / "c", distance="cosine")
    vectors[13, 0] = np.inf
    with pytest.raises(DataError, match=r"^vectors: expected finite numbers, got NaN or infinity in row 13 "):
        cluster_table(table(vectors), 2, tmp_path / "c", distance="cosine")
    with pytest.raises(DataError, match=r"got nothing there"):
        cluster_table(str(tmp_path / "gone"), 2, tmp_path / "c")
    assert not any(tmp_path.iterdir())


def test_evaluation_of_a_large_table_ranks_a_sample_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """NUM_QUERIES beyond RANKED_DISTANCES, against all rows: near the figure of all queries."""
    vectors, labels = blobs(3000)
    columns = {"id": np.arange(3000), "label": labels}
    whole = evaluate(VectorTable.from_arrays(vectors, columns), "label", distance="euclidean", bootstrap=0)
    assert whole["queries_from"] == "all"
    monkeypatch.setattr(evaluation, "RANKED_DISTANCES", 3000**2 - 1)
    monkeypatch.setattr(evaluation, "NUM_QUERIES", 1000)
    found = evaluate(VectorTable.from_arrays(vectors, columns), "label", distance="euclidean", bootstrap=0)
    assert (found["queries"], found["queries_from"]) == (1000, "a uniform sample (seed 0) of 3000")
    assert found["mAP@R_low"] < whole["mAP@R"] < found["mAP@R_high"]
