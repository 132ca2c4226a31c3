"""Silhouette: how much nearer a row is to its own cluster than to the next one, in [-1, 1].

Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis" (1987).

Decision a reader would question: it is the true silhouette, from all distances, and not the simplified one from
centroids, which flatters k-means. It grows with the square of the rows, so beyond SILHOUETTE_ROWS it is taken
within a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.neighbours.pairwise import distance_chunks
from artifact.arrays import Indices, Numbers, Vectors

SILHOUETTE_ROWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Silhouette:
    """Silhouette of some rows.

    Attributes:
        overall: mean over the rows measured; None with fewer than two clusters among them, or none measured.
        clusters: float64 [k], mean over those of each cluster; NaN where none is measured.
        num_rows: how many rows were compared with each other.
    """

    overall: float | None
    clusters: Numbers
    num_rows: int


def silhouette(vectors: Vectors, assignments: npt.NDArray[np.int32], sizes: Indices, *, distance: str) -> Silhouette:
    """Silhouette of rows of a clustering, all of them or a sample, among themselves.

    s = (b - a) / max(a, b); a: mean distance to the other rows of the cluster; b: the least mean distance to the rows
    of another one. A cluster of one row has s = 0, as in scikit-learn; one of several rows of which the sample holds
    one is not measured (nothing tells its a), but does count as another cluster.

    Args:
        vectors: float32 [S, n].
        assignments: int32 [S], the cluster of each, of 0 to k - 1.
        sizes: int64 [k], rows of each cluster in the whole table.
        distance: a name in artifact.distances.DISTANCES; euclidean and squared_euclidean give different silhouettes.
    """
    k = len(sizes)
    means: Numbers = np.full(k, np.nan)
    counts = np.bincount(assignments, minlength=k)  # [k], in the sample
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return Silhouette(overall=None, clusters=means, num_rows=len(vectors))
    order = np.argsort(assignments, kind="stable")
    place = np.searchsorted(present, assignments[order])  # [S], which of those present
    starts = np.searchsorted(place, np.arange(len(present)))
    found = np.empty(len(vectors))
    for first, apart in distance_chunks(vectors[order], vectors[order], distance=distance):
        rows = np.arange(len(apart))
        own = place[first : first + len(apart)]
        sums = np.add.reduceat(apart, starts, axis=1, dtype=np.float64)  # [rows, clusters present]
        sums[rows, own] -= apart[rows, first + rows]  # 0, but for the cosine distance of a zero vector
        within = sums[rows, own] / np.maximum(counts[present][own] - 1, 1)
        sums /= counts[present]
        sums[rows, own] = np.inf
        nearest = sums.min(axis=1)
        largest = np.maximum(within, nearest)
        values = np.divide(nearest - within, largest, out=np.zeros(len(apart)), where=largest > 0)
        alone = counts[present][own] == 1
        found[first : first + len(apart)] = np.where(alone, np.where(sizes[present][own] == 1, 0.0, np.nan), values)
    measured = ~np.isnan(found)
    if not measured.any():
        return Silhouette(overall=None, clusters=means, num_rows=len(vectors))
    sums_of = np.bincount(present[place[measured]], weights=found[measured], minlength=k)
    num_of = np.bincount(present[place[measured]], minlength=k)
    np.divide(sums_of, num_of, out=means, where=num_of > 0)
    return Silhouette(overall=float(found[measured].mean()), clusters=means, num_rows=len(vectors))
