"""The methods of selection, beside plain greedy loops over all distances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from analysis.datasets.selecting import diverse as diverse_module
from analysis.datasets.selecting import representative as representative_module
from analysis.datasets.selecting.covered import Pool
from analysis.datasets.selecting.diverse import diverse
from analysis.datasets.selecting.representative import representative

METRICS = {"euclidean": "euclidean", "squared_euclidean": "sqeuclidean", "cosine": "cosine"}


def _pool(distance: str, *, num: int = 300, num_labelled: int = 0, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    vectors = (2 * rng.normal(size=(12, 5))[rng.integers(12, size=num)] + rng.normal(size=(num, 5))).astype(np.float32)
    labelled = vectors[:num_labelled] + np.float32(0.01)
    return Pool(vectors=vectors, labelled=labelled, distance=distance, seed=0)


def _apart(a: np.ndarray, b: np.ndarray, distance: str) -> np.ndarray:
    found: np.ndarray = cdist(a.astype(np.float64), b.astype(np.float64), METRICS[distance])
    return found


@pytest.mark.parametrize("candidates", [1, 7, 4096])
@pytest.mark.parametrize("num_labelled", [0, 9])
@pytest.mark.parametrize("distance", METRICS)
def test_diverse_is_farthest_first(
    distance: str, num_labelled: int, candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every next row is the farthest from all before, however few candidates are set aside."""
    monkeypatch.setattr(diverse_module, "CANDIDATES", candidates)
    pool = _pool(distance, num_labelled=num_labelled)
    apart = _apart(pool.vectors, pool.vectors, distance)
    if num_labelled:
        nearest, expected = _apart(pool.vectors, pool.labelled, distance).min(axis=1), []
    else:
        first = int(_apart(pool.vectors, pool.vectors.mean(axis=0, dtype=np.float64)[None], distance).argmin())
        nearest, expected = apart[first].copy(), [first]
    while len(expected) < 40:
        expected.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, apart[expected[-1]])
    assert diverse(pool, 40).tolist() == expected


def test_diverse_takes_every_row_once_where_all_are_asked_for() -> None:
    """As many as there are."""
    assert sorted(diverse(_pool("euclidean", num=50), 50).tolist()) == list(range(50))


@pytest.mark.parametrize("num_labelled", [0, 9])
@pytest.mark.parametrize("distance", METRICS)
def test_representative_is_greedy_facility_location(distance: str, num_labelled: int) -> None:
    """Every next row has the largest gain, computed anew for all: a row reaches as far as its 50 neighbours."""
    pool = _pool(distance, num_labelled=num_labelled)
    apart = _apart(pool.vectors, pool.vectors, distance)
    order = np.argsort(apart + np.where(np.eye(300), -1.0, 0.0), axis=1)[:, :51]
    near = np.zeros((300, 300), bool)
    np.put_along_axis(near, order, True, axis=1)
    np.fill_diagonal(apart, 0)
    reach = np.take_along_axis(apart, order[:, 50:], axis=1)[:, 0]
    if num_labelled:
        reach = np.minimum(reach, _apart(pool.vectors, pool.labelled, distance).min(axis=1))
    chosen = representative(pool, 30)
    assert len(set(chosen.tolist())) == 30
    taken = np.zeros(300, bool)
    for row in chosen.tolist():
        gains = np.where(near & ~taken, np.maximum(reach[:, None] - apart, 0), 0).sum(axis=0)
        assert gains[row] == pytest.approx(gains.max(), rel=1e-4)
        taken[row] = True
        reach = np.where(near[:, row], np.minimum(reach, apart[:, row]), reach)


def test_a_sample_of_a_large_table_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rows for twelve groups from a sixth of the rows: as near to all rows as those of all rows, nearly."""
    pool = _pool("euclidean", num=3000)
    whole = representative(pool, 12)
    monkeypatch.setattr(representative_module, "LEAST_ROWS", 500)
    sampled = representative(pool, 12)
    assert sampled.tolist() == representative(pool, 12).tolist()
    mean = [_apart(pool.vectors, pool.vectors[rows], "euclidean").min(axis=1).mean() for rows in (whole, sampled)]
    random = np.random.default_rng(0).choice(3000, 12, replace=False)
    assert mean[1] < 1.1 * mean[0]
    assert mean[1] < 0.9 * _apart(pool.vectors, pool.vectors[random], "euclidean").min(axis=1).mean()


@pytest.mark.parametrize("distance", METRICS)
def test_distances_before_are_to_labelled_and_earlier_rows(distance: str) -> None:
    """Of each chosen row, by a plain loop; nothing before the first is infinitely far."""
    for num_labelled in (0, 3):
        pool = _pool(distance, num_labelled=num_labelled)
        chosen = np.array([200, 7, 100, 44])
        for at, found in enumerate(pool.before(chosen).tolist()):
            before = np.concatenate([pool.labelled, pool.vectors[chosen[:at]]])
            expected = _apart(pool.vectors[chosen[[at]]], before, distance).min() if len(before) else np.inf
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
