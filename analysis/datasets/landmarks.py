"""Landmarks: rows of a set spread out so that each stands for all within a radius, and how far rows are from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.neighbours.faiss_library import load_faiss
from artifact.arrays import Vectors

SAMPLE = 5_000
"""References that landmarks are taken from."""

RADIUS_BY = 20
"""The radius is the median distance to the nearest reference of this number."""

NEAREST = 10

_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """Some rows, no two within the radius of each other, and every row of the sample within it of one.

    Attributes:
        centre: float32 [n], what is subtracted.
        vectors: float32 [L, n], less the centre.
        radius: euclidean.
    """

    centre: Vectors
    vectors: Vectors
    radius: float

    @classmethod
    def of(cls, references: Vectors, rng: np.random.Generator) -> Landmarks:
        """From float32 [M, n], in random order: one that no landmark stands for yet is one."""
        faiss = load_faiss()

        sample = references[rng.permutation(len(references))[:SAMPLE]]
        centre = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        sample = np.ascontiguousarray(sample - centre)
        k = min(RADIUS_BY, len(sample) - 1)
        squared = float(np.median(faiss.knn(sample, sample, k + 1)[0][:, k]))
        lengths = np.square(sample).sum(axis=1)
        is_free, chosen = np.ones(len(sample), bool), []
        for row in range(len(sample)):
            if is_free[row]:
                chosen.append(row)
                is_free &= lengths - 2 * (sample @ sample[row]) + lengths[row] > squared
        return cls(centre=centre, vectors=sample[chosen], radius=max(squared, 0.0) ** 0.5)

    def distances(self, vectors: Vectors) -> Vectors:
        """Mean distance to the nearest landmarks but the one that stands for the row: float32 [m, n] -> float32 [m]."""
        faiss = load_faiss()

        apart = np.empty(len(vectors), np.float32)
        num_others = min(NEAREST, max(1, len(self.vectors) - 1))
        for first in range(0, len(vectors), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            moved = np.ascontiguousarray(vectors[part] - self.centre)
            found = np.sqrt(np.maximum(faiss.knn(moved, self.vectors, min(num_others + 1, len(self.vectors)))[0], 0))
            has_one = (found[:, 0] <= self.radius) & (found.shape[1] > num_others)
            apart[part] = np.where(has_one, found[:, -num_others:].mean(axis=1), found[:, :num_others].mean(axis=1))
        return apart
