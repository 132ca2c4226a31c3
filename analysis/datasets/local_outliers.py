"""Distances of rows to their nearest references at many k, and local outlier factors, of whitened vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.neighbours.checks import require_near
from analysis.neighbours.faiss_library import load_faiss
from artifact.arrays import Indices, Numbers, Vectors

GRID = (5, 10, 20, 35, 50, 75, 100, 150, 200)
"""The k of the nearest rows; those that there are no so many others of are left out."""

SHRINKAGE = 0.1
"""Of the mean eigenvalue of the covariance, added to each."""

_TRIMMED = 0.1
_TRIMMED_BY = 20
_LEAST_SHARE = 1e-2
"""Of the median distance to the nearest: copies are no nearer than this, or they would be infinitely dense."""

_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class LocalOutliers:
    """What rows are compared with.

    Attributes:
        centre, whitening: float32 [n] and [n, n]; whitened vectors are (vector - centre) @ whitening.
        references: float32 [M, n], whitened.
        rows: int64 [M], their numbers in the table, rising.
        grid: ascending.
        least: what smaller distances count as.
        reaches: float32 [grid, M], of each reference the distance to its k-th nearest.
        densities: float32 [grid, M], local reachability densities.
    """

    centre: Vectors
    whitening: Vectors
    references: Vectors
    rows: Indices
    grid: tuple[int, ...]
    least: np.float32
    reaches: Vectors
    densities: Vectors

    @classmethod
    def of(cls, references: Vectors, rows: Indices) -> LocalOutliers:
        """From at least 3 references float32 [M, n], and their numbers in the table."""
        centre, whitening = _whitening(references)
        k = min(_TRIMMED_BY, len(references) - 1)
        apart = _nearest(_whitened(references, centre, whitening), None, k)[0].mean(axis=1)
        kept = apart <= np.quantile(apart, 1 - _TRIMMED)
        centre, whitening = _whitening(references[kept])
        whitened = _whitened(references, centre, whitening)
        grid = tuple(k for k in GRID if k < len(references)) or (len(references) - 1,)
        distances, found = _nearest(whitened, None, grid[-1])
        least = np.float32(_LEAST_SHARE * np.median(distances[:, 0])) or np.float32(1e-12)
        distances = np.maximum(distances, least)
        reaches = np.stack([distances[:, k - 1] for k in grid])
        densities = np.stack([_densities(distances, found, k, reaches[at]) for at, k in enumerate(grid)])
        return cls(
            centre=centre,
            whitening=whitening,
            references=whitened,
            rows=rows,
            grid=grid,
            least=least,
            reaches=reaches,
            densities=densities,
        )

    @property
    def num_columns(self) -> int:
        """Numbers of a row in `measures`."""
        return 2 * len(self.grid)

    def whitened(self, vectors: Vectors) -> Vectors:
        """float32 [m, n] -> float32 [m, n]."""
        return _whitened(vectors, self.centre, self.whitening)

    def measures(self, vectors: Vectors, first_row: int) -> Vectors:
        """Logarithms of distance and local outlier factor at each k: float32 [m, num_columns].

        Args:
            vectors: float32 [m, n] of rows that follow each other.
            first_row: number of the first of them in the table: no row is compared with itself.
        """
        measures = np.empty((len(vectors), self.num_columns), np.float32)
        for first in range(0, len(vectors), _ROWS_AT_ONCE):
            part = slice(first, min(first + _ROWS_AT_ONCE, len(vectors)))
            own = _places(self.rows, np.arange(first_row + part.start, first_row + part.stop))
            distances, found = _nearest(self.references, (self.whitened(vectors[part]), own), self.grid[-1])
            distances = np.maximum(distances, self.least)
            for at, k in enumerate(self.grid):
                density = _densities(distances, found, k, self.reaches[at])
                around = self.densities[at][found[:, :k]].mean(axis=1)
                measures[part, 2 * at] = np.log(distances[:, k - 1])
                measures[part, 2 * at + 1] = np.log(around / density)
        return measures


def _whitened(vectors: Vectors, centre: Vectors, whitening: Vectors) -> Vectors:
    """Raises DataError where whitening makes single rows so large that squared distances are infinite in float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        whitened = np.asarray((vectors - centre) @ whitening, np.float32)
    require_near(whitened)
    return whitened


def _whitening(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """Mean, and the matrix after which the shrunk covariance of these vectors is the identity."""
    mean: Numbers = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((vectors.shape[1], vectors.shape[1]))
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        centred = vectors[first : first + _ROWS_AT_ONCE] - mean
        covariance += centred.T @ centred
    sizes, directions = np.linalg.eigh(covariance / len(vectors))
    sizes = np.maximum(sizes, 0.0)
    shrunk = sizes + SHRINKAGE * sizes.mean()
    scale: Numbers = 1.0 / np.sqrt(shrunk) if sizes.any() else np.ones_like(shrunk)
    return mean.astype(np.float32), (directions * scale).astype(np.float32)


def _nearest(references: Vectors, queries: tuple[Vectors, Indices] | None, k: int) -> tuple[Vectors, Indices]:
    """Distances float32 [m, k] to the nearest references, nearest first, and which those are.

    Args:
        queries: with the place of each among the references, or -1; None: the references themselves.
    """
    faiss = load_faiss()

    vectors, own = queries if queries is not None else (references, np.arange(len(references)))
    distances, found = np.empty((len(vectors), k), np.float32), np.empty((len(vectors), k), np.int64)
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        squared, rows = faiss.knn(np.ascontiguousarray(vectors[part]), references, min(k + 1, len(references)))
        is_own = rows == own[part, None]
        is_own[~is_own.any(axis=1), -1] = True  # who is not among them loses the last instead
        if rows.shape[1] > k:
            squared, rows = (each[~is_own].reshape(-1, k) for each in (squared, rows))
        distances[part], found[part] = np.sqrt(np.maximum(squared, 0)), rows
    return distances, found


def _densities(distances: Vectors, found: Indices, k: int, reaches: Vectors) -> Vectors:
    """Local reachability densities: 1 / mean distance of the k nearest, none nearer than its own k-th nearest is."""
    density: Vectors = 1.0 / np.maximum(reaches[found[:, :k]], distances[:, :k]).mean(axis=1)
    return density


def _places(known: Indices, wanted: Indices) -> Indices:
    """Where each wanted number stands among the known ones (rising); -1 where it does not."""
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)
