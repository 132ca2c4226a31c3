"""Kernel features by landmarks: the Gaussian kernel between every vector and a few hundred of them (Nystroem).

Decisions a reader would question:
- Landmarks, not random Fourier features. Vectors of a trained network lie near few directions, which landmarks follow
  and random frequencies do not: see docs/decisions/0042-comparing-two-sets.md for the power of both.
- Up to ALL_LANDMARKS distinct vectors all of them are landmarks, and the kernel is exact.
- Landmarks are drawn from both sets together, without looking at which is which: so a relabelling is as good as the
  labels, and the test keeps its level.
- The bandwidth is the median of the distances between distinct vectors, of a sample.

Source: C. Williams, M. Seeger 2001, "Using the Nystroem method to speed up kernel machines".
"""

from __future__ import annotations

import numpy as np

from analysis.datasets.comparison.two_sets import TwoSets
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Numbers, Vectors

LANDMARKS = 512
ALL_LANDMARKS = 1024

_SAMPLED_UNITS = 4 * ALL_LANDMARKS
_BANDWIDTH_ROWS = 1000
_RIDGE = 1e-6
"""Times the landmarks, added to the diagonal: directions that weigh less than that are rounding errors of float32."""


class Landmarks:
    """Some vectors, and the kernel between them and others.

    Args:
        vectors: float32 [L, n], different from each other.
        bandwidth: the unit of the bandwidths below, above 0.
    """

    def __init__(self, vectors: Vectors, bandwidth: float) -> None:
        self.vectors, self.bandwidth = vectors, bandwidth
        self._squares = np.einsum("ij,ij->i", vectors, vectors)
        self._apart = self.squared_distances(vectors).astype(np.float64)
        np.fill_diagonal(self._apart, 0.0)

    def fewer(self, count: int, rng: np.random.Generator) -> Landmarks:
        """`count` of them, drawn at random, with the same bandwidth; all where there are no more."""
        return Landmarks(self.vectors[sample_rows(len(self.vectors), count, rng)], self.bandwidth)

    def squared_distances(self, vectors: Vectors) -> Vectors:
        """float32 [m, L], never negative."""
        squares = np.einsum("ij,ij->i", vectors, vectors)
        apart: Vectors = vectors @ self.vectors.T
        apart *= np.float32(-2)
        apart += squares[:, None]
        apart += self._squares
        np.maximum(apart, np.float32(0), out=apart)
        return apart

    def kernel(self, squared: Vectors, scale: float) -> Vectors:
        """Gaussian kernel float32 [m, L] of squared distances, with `scale` times the bandwidth."""
        values: Vectors = np.exp(squared * np.float32(-0.5 / (scale * self.bandwidth) ** 2))
        return values

    def whitening(self, scale: float) -> Numbers:
        """float64 [L, L]: kernel @ whitening are features whose products are the kernel between any two vectors."""
        values: Numbers = np.exp(self._apart * (-0.5 / (scale * self.bandwidth) ** 2))
        values[np.diag_indices_from(values)] += _RIDGE * len(values)
        return np.asarray(np.linalg.inv(np.linalg.cholesky(values)).T, np.float64)


def landmarks_of(sets: TwoSets, *, seed: int) -> Landmarks:
    """Landmarks among the units of two sets."""
    rng = np.random.default_rng([seed, 0])
    return choose_landmarks(sets.unit_vectors(sample_rows(len(sets.firsts), _SAMPLED_UNITS, rng)), rng)


def choose_landmarks(
    vectors: Vectors, rng: np.random.Generator, *, count: int = LANDMARKS, all_up_to: int = ALL_LANDMARKS
) -> Landmarks:
    """Landmarks and their bandwidth from a sample of distinct vectors.

    Args:
        vectors: float32 [U, n], at least two of them different; of a larger table a sample will do.
        count: how many.
        all_up_to: so many vectors are all taken.
    """
    rows = sample_rows(len(vectors), len(vectors) if len(vectors) <= all_up_to else count, rng)
    sampled = vectors[sample_rows(len(vectors), _BANDWIDTH_ROWS, rng)].astype(np.float64)
    squares = np.einsum("ij,ij->i", sampled, sampled)
    apart = (squares[:, None] + squares - 2 * sampled @ sampled.T)[np.triu_indices(len(sampled), 1)]
    apart = apart[apart > 1e-12 * max(float(squares.max()), 1e-300)]  # rows of equal vectors
    bandwidth = float(np.sqrt(np.median(apart))) if apart.size else 1.0
    return Landmarks(np.ascontiguousarray(vectors[rows]), bandwidth)
