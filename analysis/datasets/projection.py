"""Vectors in two dimensions, for looking at: the two directions in which they vary most.

Decisions a reader would question:
- `project`, of a matrix in memory: power iteration from a fixed start, not a full decomposition. Two directions of
  2,000 vectors of 2,048 numbers take a tenth of a second so, and seconds the other way.
- `principal_axes`, of a table of any size: the matrix of covariances is summed up batch by batch, so the table is read
  once and a million vectors of 2,048 numbers never lie in memory. Its directions are kept, so that what comes later
  can be projected as well. Where the products would take minutes they are those of a sample of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.neighbours.batches import checked_batches, checked_matrix
from analysis.neighbours.samples import check_seed, sample_rows
from artifact.arrays import Numbers, Vectors
from rows.vectors.table import VectorTable

PRODUCTS = 10**12
"""Rows x dims x dims up to which every row is in the covariances; that takes about a minute of two cores."""

_EXTRA = 6
_ROUNDS = 30


@dataclass(frozen=True, kw_only=True)
class PrincipalAxes:
    """Where a table's vectors lie and the two directions in which they vary most.

    Attributes:
        mean: float64 [n], of all rows.
        directions: float64 [2, n], of length 1, each with its largest number positive; zeros where nothing varies.
        variance: mean squared distance of the rows to the mean.
        num_rows: rows that the directions come from.
    """

    mean: Numbers
    directions: Numbers
    variance: float
    num_rows: int

    def places(self, vectors: Vectors) -> Numbers:
        """float32 [m, n] -> float64 [m, 2]; a vector's place does not depend on those beside it, to the last bit."""
        found: Numbers = np.einsum("ij,kj->ik", vectors.astype(np.float64) - self.mean, self.directions)
        return found


def principal_axes(table: VectorTable, *, seed: int = 0) -> PrincipalAxes:
    """Principal component analysis of a table: a batch of rows and n x n numbers in memory.

    Args:
        table: N rows, at least 1.
        seed: draws the sample, where there is one.

    Raises:
        DataError: numbers that are not finite.

    Source: K. Pearson 1901, "On lines and planes of closest fit to systems of points in space".
    """
    check_seed(seed)
    if table.num_rows <= table.dim:
        return _axes_of_few(checked_matrix(table))
    chosen = sample_rows(table.num_rows, max(table.dim, PRODUCTS // table.dim**2), np.random.default_rng(seed))
    shift = None
    products, chosen_sum = np.zeros((table.dim, table.dim)), np.zeros(table.dim)
    total, squares = np.zeros(table.dim), 0.0
    for batch in checked_batches(table):
        wide = batch.vectors.astype(np.float64)
        if shift is None:
            shift = wide.mean(axis=0)  # near the mean, so that no digits are lost far from the origin
        wide -= shift
        total += wide.sum(axis=0)
        squares += float(np.vdot(wide, wide))
        if len(chosen) < table.num_rows:
            first, last = np.searchsorted(chosen, (batch.first_row, batch.first_row + len(batch)))
            wide = wide[chosen[first:last] - batch.first_row]
        chosen_sum += wide.sum(axis=0)
        products += wide.T @ wide
    assert shift is not None
    away, chosen_away = total / table.num_rows, chosen_sum / len(chosen)
    _, vectors = np.linalg.eigh(products / len(chosen) - np.outer(chosen_away, chosen_away))
    variance = max(0.0, squares / table.num_rows - float(away @ away))
    directions = vectors.T[::-1][:2] if variance > 0 else np.zeros((2, table.dim))
    return PrincipalAxes(mean=shift + away, directions=_two(directions), variance=variance, num_rows=len(chosen))


def _axes_of_few(matrix: Vectors) -> PrincipalAxes:
    """Of no more rows than dims, which fit in memory where n x n numbers do."""
    mean = matrix.mean(axis=0, dtype=np.float64)
    centred = matrix.astype(np.float64) - mean
    variance = float(np.vdot(centred, centred)) / len(matrix)
    sizes, vectors = np.linalg.eigh(centred @ centred.T)
    kept = [at for at in (-1, -2) if len(sizes) >= -at and sizes[at] > 1e-12 * max(sizes[-1], 0.0)]
    directions = np.array([vectors[:, at] @ centred / np.sqrt(sizes[at]) for at in kept]).reshape(-1, matrix.shape[1])
    return PrincipalAxes(mean=mean, directions=_two(directions), variance=variance, num_rows=len(matrix))


def _two(directions: Numbers) -> Numbers:
    """Directions with their largest number positive, and zeros for those that are not there."""
    signs = np.where(np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1) < 0, -1.0, 1.0)
    return np.pad(directions * signs, ((0, 2 - len(directions)), (0, 0)))


def project(vectors: Vectors) -> tuple[Numbers, float]:
    """Principal component analysis.

    Args:
        vectors: float32 [N, n], N at least 1.

    Returns:
        float64 [N, 2] with mean 0, and the share of the variance that these two directions hold, in [0, 1]. The sign
        of each direction is such that its largest coordinate is positive. Zeros where nothing varies.

    Source: N. Halko, P.-G. Martinsson, J. Tropp 2011, "Finding structure with randomness", algorithm 4.4.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    total = float(np.square(centred).sum())
    if total <= 0:
        return np.zeros((len(centred), 2)), 0.0
    count = min(2 + _EXTRA, *centred.shape)
    basis = np.random.default_rng(0).standard_normal((centred.shape[1], count))
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    found, sizes, _ = np.linalg.svd(centred @ basis, full_matrices=False)
    places = np.pad(found * sizes, ((0, 0), (0, 2)))[:, :2]
    places = places * np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    return places, float(np.square(places).sum() / total)
