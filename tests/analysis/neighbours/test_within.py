"""Search within a radius, beside all distances in float64."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from analysis.search.graph import row_index
from artifact.errors import UsageError
from rows.vectors.table import VectorTable

METRICS = {"euclidean": "euclidean", "squared_euclidean": "sqeuclidean", "cosine": "cosine"}


def _vectors(num_rows: int = 300) -> np.ndarray:
    return np.random.default_rng(0).normal(loc=20, size=(num_rows, 6)).astype(np.float32)


@pytest.mark.parametrize("distance", METRICS)
@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_all_rows_within_the_radius_are_found(distance: str, kind: str) -> None:
    """Of inverted lists too where all lists are looked into; nearest first, and the query itself among them."""
    vectors = _vectors()
    index = row_index(VectorTable.from_arrays(vectors), distance=distance, kind=kind)
    if kind == "ivf":
        index.index.nprobe = index.index.nlist
    apart = cdist(vectors[:40].astype(np.float64), vectors.astype(np.float64), METRICS[distance])
    radius = float(np.quantile(apart, 0.1))
    ends, distances, rows = index.within(vectors[:40], radius)
    for query in range(40):
        found = rows[ends[query] : ends[query + 1]]
        near = distances[ends[query] : ends[query + 1]]
        clear = np.abs(apart[query] - radius) > 1e-5 * max(radius, 1)
        expected = set(np.flatnonzero((apart[query] <= radius) & clear).tolist())
        assert expected <= set(found.tolist()) <= expected | set(np.flatnonzero(~clear).tolist())
        assert query in found
        assert (np.diff(near) >= 0).all()
        np.testing.assert_allclose(near, apart[query, found], atol=2e-5)


def test_the_radius_itself_is_within_and_nothing_may_be() -> None:
    """Rows at the very threshold count, as in scoring; a far query finds nothing."""
    line = np.arange(5, dtype=np.float32)[:, None] * np.float32([1, 0])
    index = row_index(VectorTable.from_arrays(line), distance="euclidean")
    ends, distances, rows = index.within(np.concatenate([line[1:2], line[1:2] + 99]), 1.0)
    assert ends.tolist() == [0, 3, 3]
    assert rows.tolist() == [1, 0, 2]
    assert distances.tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("radius", [-0.1, float("nan")])
def test_a_senseless_radius_is_refused(radius: float) -> None:
    """One line."""
    index = row_index(VectorTable.from_arrays(_vectors(9)), distance="euclidean")
    with pytest.raises(UsageError, match="radius: expected at least 0"):
        index.within(_vectors(1), radius)
