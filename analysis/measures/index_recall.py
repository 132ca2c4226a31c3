"""Recall of an approximate index: the share of the k nearest that it finds, over rows that come in batches.

Decision a reader would question: a row that was found counts where it is no further than the k-th nearest. Where
distances differ that is the usual recall; where they are equal (copies of one picture) any of the equal rows will do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.nearest import EXTRA_CANDIDATES, faiss_metric, prepare, search_index
from artifact.arrays import Flags, Indices, Vectors
from artifact.distances import DISTANCES

_ROUNDING = 1e-6
"""Share of a distance by which two computations of it may differ; of 1 for the cosine distance, a difference from 1."""


class ExactDistances:
    """The k smallest distances of some queries to all rows added, each query left out of its own.

    Args:
        queries: float32 [Q, n].
        rows: int64 [Q], the row of each query.
        k: at most the number of rows that will be added, less one.
        distance: a name in artifact.distances.DISTANCES.
        centre: float32 [n], near the mean of the rows: see analysis.neighbours.nearest.

    Attributes:
        nearest: float32 [Q, k], rising; infinite until enough rows are added.
        nearest_rows: int64 [Q, k], their numbers; -1 until then.
    """

    def __init__(self, queries: Vectors, rows: Indices, k: int, *, distance: str, centre: Vectors) -> None:
        self.queries, self.rows, self.k = queries, rows, k
        self._distance, self._centre = distance, centre
        self._prepared = prepare(queries, distance, centre)
        self.nearest = np.full((len(queries), k), np.inf, np.float32)
        self.nearest_rows = np.full((len(queries), k), -1, np.int64)

    def add(self, first_row: int, vectors: Vectors) -> None:
        """Look at some more rows, float32 [m, n] as the index holds them, the first of them number `first_row`."""
        faiss = load_faiss()

        prepared = np.ascontiguousarray(prepare(vectors, self._distance, self._centre))
        wanted = min(len(vectors), self.k + 1 + EXTRA_CANDIDATES)
        _, found = faiss.knn(self._prepared, prepared, wanted, faiss_metric(self._distance))
        apart = DISTANCES[self._distance](self.queries[:, None, :], vectors[found])
        found = found + first_row
        apart[found == self.rows[:, None]] = np.inf
        apart, found = np.concatenate([self.nearest, apart], axis=1), np.concatenate([self.nearest_rows, found], axis=1)
        order = np.argsort(apart, axis=1, kind="stable")[:, : self.k]
        self.nearest, self.nearest_rows = (np.take_along_axis(each, order, axis=1) for each in (apart, found))

    def recall(self, index: Any) -> float:
        """Share of the k nearest other rows that `index` (of all rows added, in order) finds, in [0, 1]."""
        if not self.k:
            return 1.0
        origin: Vectors = np.zeros_like(self._centre)
        distances, _ = search_index(
            index, index.reconstruct_batch, self.queries, self.k, distance=self._distance, centre=origin, own=self.rows
        )
        return float(self.is_near(distances).mean())

    def is_near(self, distances: Vectors) -> Flags:
        """Which of some distances from each query, float32 [Q, m], are no larger than its k-th; k is at least 1."""
        last = self.nearest[:, -1:]
        rounding = _ROUNDING if DISTANCES[self._distance].of_directions else _ROUNDING * last
        near: Flags = distances <= last + rounding
        return near
