"""k-means and evaluation against scikit-learn and by their definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from analysis.clusters.kmeans import kmeans, plus_plus
from analysis.clusters.table_clusters import cluster_table
from analysis.evaluation.labelled_tables import evaluate
from analysis.measures.clustering import clustering_metrics
from analysis.measures.retrieval import retrieval_metrics
from artifact.distances import cosine
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable


def blobs(seed: int = 0, num_classes: int = 12, offset: float = 0) -> tuple[Any, Any]:
    """Tight classes of very different sizes, some close together: random starts merge the small ones."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 120, num_classes)
    labels = np.repeat(np.arange(num_classes), sizes)
    centres = rng.normal(size=(num_classes, 5)) * 4
    return (centres[labels] + rng.normal(size=(len(labels), 5)) * 0.2 + offset).astype(np.float32), labels


def lineage(distance: str) -> Lineage:
    return Lineage(artifact="m", version=1, digest="d", space="s", distance=distance, normalized=False)


@pytest.mark.parametrize("offset", [0, 10_000])
def test_kmeans_is_as_good_as_scikit_learn(offset: float) -> None:
    """Inertia within 0.1 % of sklearn's best of ten, also far from the origin; every class found."""
    from sklearn.cluster import KMeans

    vectors, labels = blobs(offset=offset)
    found = kmeans(vectors, 12)
    reference = KMeans(12, n_init=10, random_state=0).fit(vectors.astype(np.float64) - offset)
    assert found.inertia <= reference.inertia_ * 1.001
    assert clustering_metrics(found.assignments, labels)["purity"] == 1


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_clusters_agree_with_their_definition(distance: str) -> None:
    """Each vector is in the cluster of its nearest centroid; inertia, sizes and numbering follow."""
    vectors, _ = blobs(1)
    found = kmeans(vectors, 7, distance=distance, num_starts=2)
    wide = vectors.astype(np.float64)
    if distance == "cosine":
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    squared = np.square(wide[:, None] - found.centroids[None]).sum(axis=-1)  # [N, k]
    np.testing.assert_array_equal(found.assignments, squared.argmin(axis=1))
    assert found.inertia == pytest.approx(squared.min(axis=1).sum(), rel=1e-3)
    assert found.sizes.tolist() == np.bincount(found.assignments, minlength=7).tolist()
    assert found.sizes.tolist() == sorted(found.sizes.tolist(), reverse=True)
    assert (found.assignments.dtype, found.centroids.shape) == (np.int32, (7, 5))
    for cluster in range(7):  # converged: a centroid is the mean of its members
        np.testing.assert_allclose(found.centroids[cluster], wide[found.assignments == cluster].mean(axis=0), atol=1e-3)


def test_same_seed_same_clusters() -> None:
    """And on hard data another seed gives another result."""
    vectors = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    a, b, c = (kmeans(vectors, 20, seed=seed, num_starts=1) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.assignments, b.assignments)
    np.testing.assert_array_equal(a.centroids, b.centroids)
    assert a.inertia == b.inertia != c.inertia
    assert kmeans(vectors, 20, seed=1, num_starts=6).inertia <= a.inertia


def test_cosine_clusters_ignore_length() -> None:
    """Directions scaled by anything are clustered as the directions are; euclidean k-means is fooled by length."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 40)
    directions = np.eye(4)[labels] + rng.normal(size=(160, 4)) * 0.03
    vectors = (directions * rng.choice([0.01, 1, 100], size=(160, 1))).astype(np.float32)
    assert clustering_metrics(kmeans(vectors, 4, distance="cosine").assignments, labels)["purity"] == 1
    assert clustering_metrics(kmeans(vectors, 4, distance="euclidean").assignments, labels)["purity"] < 0.8


@pytest.mark.parametrize(("num_distinct", "k"), [(1, 1), (1, 5), (3, 3), (3, 6), (20, 20), (20, 1)])
def test_fewer_distinct_vectors_than_clusters_is_no_error(num_distinct: int, k: int) -> None:
    """Equal vectors stay together; clusters left over are empty; k = N and k = 1 work."""
    distinct = np.random.default_rng(0).normal(size=(num_distinct, 3)).astype(np.float32)
    vectors = np.tile(distinct, (2 if num_distinct < 20 else 1, 1))[: max(k, num_distinct * 2)]
    vectors = np.concatenate([vectors] * (1 + k // len(vectors)))
    found = kmeans(vectors, k)
    assert found.sizes.sum() == len(vectors)
    if k >= num_distinct:
        assert found.inertia == pytest.approx(0, abs=1e-4)
        for row in range(num_distinct):
            same = (vectors == vectors[row]).all(axis=1)
            assert len(set(found.assignments[same])) == 1


def test_seeding_is_drawn_by_squared_distance() -> None:
    """Three far groups, one of a single vector: every one of 50 seedings of three takes one of each."""
    vectors = np.concatenate([np.zeros((500, 2)), np.full((300, 2), 50), [[90, -90]]]).astype(np.float32)
    for seed in range(50):
        starts = plus_plus(vectors, 3, np.random.default_rng(seed))
        assert sorted(starts[:, 0].tolist()) == [0, 50, 90]


@pytest.mark.parametrize(
    ("k", "options", "text"),
    [
        (0, {}, "k: expected 1 to 9, the number of vectors, got 0"),
        (10, {}, "k: expected 1 to 9, the number of vectors, got 10"),
        (2, {"num_starts": 0}, "num_starts: expected at least 1, got 0"),
        (2, {"seed": -5}, "seed: expected at least 0, got -5"),
    ],
)
def test_kmeans_out_of_range_is_refused(k: int, options: dict[str, Any], text: str) -> None:
    """One line each."""
    with pytest.raises(UsageError) as caught:
        kmeans(np.zeros((9, 2), np.float32), k, **options)
    assert str(caught.value) == text


def test_cluster_table_keeps_ids_columns_and_lineage(tmp_path: Path) -> None:
    """Written with the cluster and the distance of the artifact to its centroid; a second run replaces the columns."""
    vectors, labels = blobs(2)
    ids = [f"r{i}" for i in range(len(labels))]
    table = VectorTable.from_arrays(vectors, {"id": ids, "label": labels}, lineage=lineage("cosine"))
    clusters = cluster_table(table, 12, tmp_path / "c.parquet")
    written = parquet.read_table(tmp_path / "c.parquet")
    assert written.schema.names == ["id", "label", "cluster", "centroid_distance", "is_medoid"]
    assert written["id"].to_pylist() == ids
    assert written["label"].to_pylist() == labels.tolist()
    assert written["cluster"].to_pylist() == clusters.assignments.tolist()
    expected = cosine(vectors, clusters.centroids[clusters.assignments])
    np.testing.assert_allclose(written["centroid_distance"].to_numpy(), expected)
    assert Lineage.from_metadata(written.schema.metadata) == lineage("cosine")


def test_evaluate_puts_the_metrics_of_the_table_together() -> None:
    """The numbers of the functions it calls, by the distance of the lineage, rows without a label left out."""
    vectors, numbers = blobs(3, num_classes=6)
    vectors = vectors + np.random.default_rng(0).normal(size=vectors.shape).astype(np.float32) * 2
    labels: list[str | None] = [f"c{number}" for number in numbers]
    labels[4], labels[7], labels[9] = None, "", "alone"
    table = VectorTable.from_arrays(vectors, {"id": numbers, "label": labels}, lineage=lineage("cosine"))
    found = evaluate(table, "label")
    kept = [i for i, label in enumerate(labels) if label]
    kept_labels = [labels[i] for i in kept]
    expected = retrieval_metrics(vectors[kept], kept_labels, distance="cosine")
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    clusters = kmeans(vectors[kept], 7, distance="cosine")
    assert {name: found[name] for name in ("purity", "nmi")} == clustering_metrics(clusters.assignments, kept_labels)
    assert (found["num_rows"], found["num_unlabelled"], found["num_classes"]) == (len(kept), 2, 7)
    assert found["skipped"] == 1
    assert found["lineage"]["artifact"] == "m"
    assert 0.3 < found["recall@1"] < 1
    assert json.loads(json.dumps(found)) == found


def test_evaluate_refuses_what_has_no_labels() -> None:
    """A column that is not there, one that is empty."""
    table = VectorTable.from_arrays(blobs()[0][:3], {"id": [1, 2, 3], "x": ["", None, ""]}, lineage=lineage("cosine"))
    with pytest.raises(DataError) as caught:
        evaluate(table, "label")
    assert str(caught.value) == (
        'column "label": expected one of id, x, embedding, got no such column (vectors in memory)'
    )
    with pytest.raises(DataError) as caught:
        evaluate(table, "x")
    assert str(caught.value) == 'label column "x": expected a class in some rows, got none (vectors in memory)'
