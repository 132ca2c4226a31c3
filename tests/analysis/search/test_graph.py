"""The neighbour graph, beside all distances in float64."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from analysis.search.graph import neighbour_graph
from artifact.errors import DataError, UsageError
from rows.vectors.table import VectorTable


def _vectors(num_rows: int, *, dim: int = 8, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(20, dim))[rng.integers(20, size=num_rows)] + 0.3 * rng.normal(size=(num_rows, dim))
    ).astype(np.float32)


@pytest.mark.parametrize(("distance", "metric"), [("euclidean", "euclidean"), ("cosine", "cosine")])
def test_neighbours_are_those_of_all_distances(distance: str, metric: str) -> None:
    """Every row has its k nearest others, nearest first, and never itself."""
    vectors = _vectors(300)
    apart = cdist(vectors.astype(np.float64), vectors.astype(np.float64), metric)
    np.fill_diagonal(apart, np.inf)
    graph = neighbour_graph(VectorTable.from_arrays(vectors), 7, distance=distance)
    expected = np.sort(apart, axis=1)[:, :7]
    np.testing.assert_allclose(graph.distances, expected, atol=2e-6)
    np.testing.assert_allclose(np.take_along_axis(apart, graph.rows, axis=1), expected, atol=2e-6)
    assert graph.is_exact
    assert graph.k == 7


def test_inverted_lists_reach_the_recall_that_they_tell() -> None:
    """The lists' neighbours are compared with the exact ones: the measured share is near the one told."""
    table = VectorTable.from_arrays(_vectors(4000))
    exact, lists = (neighbour_graph(table, 10, distance="euclidean", kind=kind) for kind in ("flat", "ivf"))
    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact.rows.tolist(), lists.rows.tolist(), strict=True)])
    assert lists.recall >= 0.99
    assert found >= 0.98
    assert not lists.is_exact


def test_k_is_at_most_the_others() -> None:
    """Of three rows each has two others."""
    assert neighbour_graph(VectorTable.from_arrays(_vectors(3)), 10, distance="euclidean").k == 2


def test_a_single_row_and_k_of_none_are_refused() -> None:
    """One line each."""
    with pytest.raises(DataError, match="at least 2 rows"):
        neighbour_graph(VectorTable.from_arrays(_vectors(1)), 1, distance="euclidean")
    with pytest.raises(UsageError, match="at least 1"):
        neighbour_graph(VectorTable.from_arrays(_vectors(3)), 0, distance="euclidean")
