"""Two tables as one matrix: which vectors are distinct, and which rows count."""

import numpy as np
import pytest

from analysis.datasets.comparison.two_sets import distinct_rows, join_sets
from artifact.errors import DataError
from rows.vectors.table import VectorTable


def table(vectors: np.ndarray) -> VectorTable:
    return VectorTable.from_arrays(vectors.astype(np.float32))


def test_distinct_rows_are_those_of_numpy() -> None:
    """Small whole numbers, so that rows repeat and share most of their bits; 0 and -0 are equal."""
    rng = np.random.default_rng(0)
    vectors = rng.integers(-1, 2, (2000, 5)).astype(np.float32)
    vectors[rng.random(vectors.shape) < 0.3] *= -1
    firsts, units = distinct_rows(vectors)
    plain = vectors + 0.0
    _, expected, inverse = np.unique(plain, axis=0, return_index=True, return_inverse=True)
    assert firsts.tolist() == sorted(expected.tolist())
    np.testing.assert_array_equal(plain[firsts][units], plain)
    assert len(set(zip(units.tolist(), inverse.ravel().tolist(), strict=True))) == len(firsts)


def test_rows_that_share_a_hash_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """With factors of 1 the hash of (1, 2) is that of (2, 1)."""

    class Ones:
        def integers(self, *_: object, size: int, **__: object) -> np.ndarray:
            return np.ones(size, np.uint64)

    monkeypatch.setattr(np.random, "default_rng", lambda *_: Ones())
    firsts, units = distinct_rows(np.array([[1, 2], [2, 1], [1, 2]], np.float32))
    assert (firsts.tolist(), units.tolist()) == ([0, 1], [0, 1, 0])


def test_copies_count_once_in_each_set() -> None:
    """A has x twice and y, B has y and z: x, y count in A and y, z in B, and y is in both; or every row counts."""
    a, b = table(np.array([[1, 0], [1, 0], [0, 1]])), table(np.array([[0, 1], [0, 3]]))
    sets = join_sets(a, b, distance="euclidean")
    assert (sets.num_rows, sets.num_counted, sets.num_shared) == ((3, 2), (2, 2), 1)
    assert sets.units.tolist() == [0, 0, 1, 1, 2]
    assert sets.counted.tolist() == [True, False, True, True, True]
    assert (sets.in_a.tolist(), sets.in_b.tolist()) == ([True, True, False], [False, True, True])
    every = join_sets(a, b, distance="euclidean", every_row=True)
    assert (every.num_counted, every.num_shared, every.groups.tolist()) == ((3, 2), 1, [0, 0, 1, 1, 2])


def test_vectors_are_prepared_for_their_distance() -> None:
    """Directions get length 1, others are moved to their mean; distances far from the origin keep their digits."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 3)) + 5, rng.normal(size=(5, 3)) + 5
    np.testing.assert_allclose(
        np.linalg.norm(join_sets(table(a), table(b), distance="cosine").vectors, axis=1), 1, 1e-6
    )
    moved = join_sets(table(a), table(b), distance="euclidean").vectors
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(moved[0] - moved[9], (a[0] - b[3]).astype(np.float32), atol=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (np.ones((4, 2)), np.eye(2), "set A: expected at least 2 different vectors, got 1"),
        (np.eye(2), np.ones((1, 2)), "set B: expected at least 2 different vectors, got 1"),
        (np.eye(2), np.eye(3), "vectors: expected 2 dims as vectors in memory has, got 3"),
        (np.array([[1, 2], [np.nan, 1]]), np.eye(2), "vectors: expected finite numbers, got NaN or infinity in row 1"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(a: np.ndarray, b: np.ndarray, text: str) -> None:
    """One line each, with the set or the row."""
    with pytest.raises(DataError) as caught:
        join_sets(table(a), table(b), distance="euclidean")
    assert str(caught.value).startswith(text)
