"""Principal components against a full decomposition."""

import numpy as np
import pytest

from analysis.datasets.projection import project


@pytest.mark.parametrize("shape", [(200, 16), (30, 100), (5, 1), (1, 3), (2, 2)])
def test_projection_agrees_with_a_full_decomposition(shape: tuple[int, int]) -> None:
    """Coordinates and shares of variance by numpy's SVD, up to the sign of each direction."""
    random = np.random.default_rng(1)
    vectors = (random.normal(size=shape) * np.geomspace(9, 1, shape[1])).astype(np.float32)
    places, share = project(vectors)
    wide = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(wide, full_matrices=False)
    expected = np.pad(left * sizes, ((0, 0), (0, 2)))[:, :2]
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-3)
    total = float(np.square(sizes).sum())
    assert share == pytest.approx(np.square(sizes[:2]).sum() / total if total else 0.0, abs=1e-6)
