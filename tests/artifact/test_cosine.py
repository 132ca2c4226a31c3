"""Unit vectors and cosines of pairs, beside plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from artifact.distances import DISTANCES
from artifact.distances.cosine import cosines_of_pairs, unit_vectors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unit_vectors_have_length_1_and_the_zero_vector_stays(dtype: Any) -> None:
    """In either precision, more of them than are scaled at once, in a new array and in place."""
    vectors = np.random.default_rng(0).normal(size=(5000, 3)).astype(dtype)
    vectors[4097] = 0
    found = unit_vectors(vectors)
    assert found.dtype == dtype
    assert found[4097].tolist() == [0, 0, 0]
    kept = np.delete(np.arange(5000), 4097)
    expected = vectors[kept] / np.linalg.norm(vectors[kept].astype(np.float64), axis=1)[:, None]
    np.testing.assert_allclose(found[kept], expected, rtol=1e-6)
    unit_vectors(vectors, out=vectors)
    np.testing.assert_array_equal(vectors, found)


def test_cosines_of_pairs_are_those_of_the_distance() -> None:
    """1 less the cosine distance row by row; a vector without length is at right angles to all."""
    random = np.random.default_rng(0)
    first, second = (random.normal(size=(30, 7)).astype(np.float32) for _ in range(2))
    first[4] = 0
    found = cosines_of_pairs(first, second)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, 1 - DISTANCES["cosine"](first, second), atol=1e-6)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    plain = [float(a @ b) / max(1e-8, length) for a, b, length in zip(first, second, lengths, strict=True)]
    np.testing.assert_allclose(found, plain, atol=1e-6)
    assert found[4] == 0
