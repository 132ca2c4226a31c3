"""A subspace of many features that holds most of their variance: randomised PCA by subspace iteration.

Halko, Martinsson, Tropp 2011, "Finding Structure with Randomness", algorithm 4.4. An eigenproblem of 8,192 features
takes minutes; one of a thousand directions a second.

Decision a reader would question: the basis is found on a sample of rows. It only has to hold the directions in which
images differ; what is computed inside it sees every row.
"""

from __future__ import annotations

import numpy as np

from artifact.arrays import Numbers, Vectors

MAX_FEATURES = 1024
"""More than so many features are reduced to so many directions."""

_PASSES = 2
_MAX_ROWS = 16_384
_BLOCK_NUMBERS = 2**24
_MAX_NUMBERS = 2**25
"""Of a basis: 256 MiB of float64, some copies of which are in memory at once."""
_SEED = 0


def num_directions(num_features: int, max_features: int = MAX_FEATURES) -> int:
    """How many directions stay of so many features; fewer where there are so many that a basis would be too large."""
    return min(num_features, max_features, max(1, _MAX_NUMBERS // num_features))


def find_subspace(features: Vectors, mean: Numbers, count: int) -> Numbers:
    """Orthonormal directions of large variance; the same for the same features.

    Args:
        features: float32 [N, F].
        mean: float64 [F], theirs.
        count: k, at most F.

    Returns:
        float64 [F, k], columns in no order.
    """
    random = np.random.default_rng(_SEED)
    rows = np.arange(len(features))
    if len(rows) > _MAX_ROWS:
        rows = np.sort(random.permutation(len(rows))[:_MAX_ROWS])
    at_once = max(1, _BLOCK_NUMBERS // features.shape[1])
    blocks = [rows[first : first + at_once] for first in range(0, len(rows), at_once)]
    centre = mean.astype(np.float32)
    largest = max(float(np.abs(features[block] - centre).max()) for block in blocks)
    unit = np.float32(1.0 / largest if largest > 0 else 1.0)  # squares of any features stay within float32
    basis = random.standard_normal((features.shape[1], count), dtype=np.float32)
    for _ in range(_PASSES):
        found = np.zeros((features.shape[1], count))
        for block in blocks:
            some = (features[block] - centre) * unit
            found += some.T @ (some @ basis)
        basis = np.linalg.qr(found)[0].astype(np.float32)
    return np.linalg.qr(basis.astype(np.float64))[0]


def find_span(features: Vectors, mean: Numbers) -> Numbers:
    """Orthonormal directions that hold all variance of fewer images than features: float64 [F, N]."""
    return np.linalg.qr((features - mean).T)[0]
