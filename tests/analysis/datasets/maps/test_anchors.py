"""Placing among rows that have a place: exact where the vector is theirs, else the weighted median of the nearest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from analysis.datasets.maps import anchors as module
from analysis.datasets.maps.anchors import NEIGHBOURS, Anchors
from rows.vectors.table import VectorTable


def _rows(num_rows: int = 60, dim: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(size=(num_rows, dim)).astype(np.float32), random.normal(size=(num_rows, 2)).astype(np.float32)


def _anchors(vectors: np.ndarray, places: np.ndarray, distance: str = "euclidean") -> Anchors:
    return Anchors(VectorTable.from_arrays(vectors), places, distance=distance, num_new=10, seed=0)


@pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean", "cosine"])
def test_a_vector_of_theirs_gets_its_very_place(distance: str) -> None:
    """To the last bit, and the row is told."""
    vectors, places = _rows()
    found, same = _anchors(vectors, places, distance).place(vectors)
    assert (found == places).all()
    assert same.tolist() == list(range(len(vectors)))


def test_of_equal_vectors_the_own_row_is_taken() -> None:
    """Twenty equal vectors at twenty places: each stays at its own where it says which that is, else at the first."""
    vectors, places = _rows(40)
    vectors[:20] = vectors[0]
    anchors = _anchors(vectors, places)
    found, same = anchors.place(vectors[:20], np.arange(20))
    assert (found == places[:20]).all()
    assert same.tolist() == list(range(20))
    assert (anchors.place(vectors[:20])[0] == places[0]).all()
    found, same = anchors.place(vectors[20:22], np.array([5, 21]))  # an id of another vector says nothing
    assert same.tolist() == [20, 21]


def test_a_new_vector_stands_at_the_weighted_median_of_its_nearest() -> None:
    """The least sum of weighted distances, by SciPy's minimum, of neighbours by all distances."""
    vectors, places = _rows()
    new = np.random.default_rng(5).normal(size=(12, 5)).astype(np.float32)
    found, same = _anchors(vectors, places).place(new)
    assert (same == -1).all()
    apart = cdist(new.astype(np.float64), vectors.astype(np.float64))
    for row, place in enumerate(found):
        near = np.argsort(apart[row])[:NEIGHBOURS]

        def summed(point: np.ndarray, row: int = row, near: np.ndarray = near) -> float:
            return float((np.linalg.norm(places[near] - point, axis=1) / apart[row, near]).sum())

        best = minimize(summed, places[near].mean(axis=0), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
        assert summed(place) <= best.fun * (1 + 2e-3)


def test_neighbours_of_two_groups_leave_nobody_between_them() -> None:
    """Six neighbours here and four far away: a mean would stand in the middle, the median stands with the six."""
    vectors = np.arange(10, dtype=np.float32)[:, None] * 1e-3
    places = np.array([[0.0, 0.0]] * 6 + [[100.0, 0.0]] * 4, np.float32)
    found, _ = _anchors(vectors, places).place(np.array([[1.0]], np.float32))
    assert np.linalg.norm(found[0]) < 1


def test_many_rows_are_found_through_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where comparing every row would take long an index of lists is asked: own vectors are still found."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(2000, 4)).astype(np.float32)
    places = random.normal(size=(2000, 2)).astype(np.float32)
    monkeypatch.setattr(module, "EXACT_PRODUCTS", 1)
    monkeypatch.setattr(module, "_LEAST_LISTED", 1)
    found, same = _anchors(vectors, places).place(vectors[:300])
    assert (same == np.arange(300)).all()
    assert (found == places[:300]).all()


def test_one_row_is_enough() -> None:
    """Everything stands where it does."""
    vectors, places = _rows(1)
    assert (_anchors(vectors, places).place(vectors + 1)[0] == places).all()
