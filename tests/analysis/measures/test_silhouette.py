"""Silhouettes against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.measures.silhouette import silhouette

METRICS = {"euclidean": "euclidean", "squared_euclidean": "sqeuclidean", "cosine": "cosine"}
"""Distance -> what scikit-learn calls it."""


def clustered(num_rows: int = 300) -> tuple[Any, Any]:
    """Six overlapping clusters in mixed order, the last of one row; a zero vector among them."""
    rng = np.random.default_rng(0)
    assignments = np.append(rng.integers(0, 5, num_rows), 5).astype(np.int32)
    vectors = rng.normal(size=(6, 4))[assignments] * 2 + rng.normal(size=(num_rows + 1, 4))
    vectors[7] = 0
    return vectors.astype(np.float32), assignments


@pytest.mark.parametrize("distance", METRICS)
def test_silhouette_is_that_of_scikit_learn(distance: str) -> None:
    """Of all rows and of each cluster, one of a single row among them."""
    from sklearn.metrics import silhouette_samples, silhouette_score

    vectors, assignments = clustered()
    found = silhouette(vectors, assignments, np.bincount(assignments), distance=distance)
    wide = vectors.astype(np.float64)
    assert found.overall == pytest.approx(silhouette_score(wide, assignments, metric=METRICS[distance]), abs=1e-6)
    each = silhouette_samples(wide, assignments, metric=METRICS[distance])
    expected = [each[assignments == cluster].mean() for cluster in range(6)]
    np.testing.assert_allclose(found.clusters, expected, atol=1e-6)
    assert found.clusters[5] == 0
    assert found.num_rows == 301


def test_empty_clusters_are_no_neighbours() -> None:
    """Numbers that no row has: NaN for them, and the rest as without."""
    vectors, assignments = clustered()
    sizes = np.bincount(assignments)
    apart = silhouette(vectors, assignments * 2, np.stack([sizes, 0 * sizes], axis=1).ravel(), distance="euclidean")
    together = silhouette(vectors, assignments, sizes, distance="euclidean")
    np.testing.assert_array_equal(apart.clusters[::2], together.clusters)
    assert np.isnan(apart.clusters[1::2]).all()
    assert apart.overall == together.overall


def test_a_lone_row_of_a_larger_cluster_is_not_measured() -> None:
    """Its sample holds one of nine: nothing tells how near the others are, so it is left out of the mean."""
    vectors, assignments = clustered()
    sizes = np.bincount(assignments)
    sizes[5] = 9
    found = silhouette(vectors, assignments, sizes, distance="euclidean")
    whole = silhouette(vectors, assignments, np.bincount(assignments), distance="euclidean")
    assert np.isnan(found.clusters[5])
    assert found.overall == pytest.approx(whole.overall * 301 / 300)


def test_one_cluster_has_no_silhouette() -> None:
    """There is no other to compare with; equal vectors in two clusters have 0."""
    vectors = np.ones((4, 2), np.float32)
    assert silhouette(vectors, np.zeros(4, np.int32), np.array([4]), distance="euclidean").overall is None
    two = silhouette(vectors, np.int32([0, 0, 1, 1]), np.array([2, 2]), distance="euclidean")
    assert (two.overall, two.clusters.tolist()) == (0, [0, 0])
