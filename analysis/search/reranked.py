"""Search whose first answers are put in another order by their neighbours: analysis/neighbours/reciprocal.py.

Decisions a reader would question:
- The neighbours of neighbours are asked of the index, when they are needed, and kept for the next query: some
  twelve hundred rows a query of a large index at first, and fewer the more of it is known.
- Each query is by itself: it stands among the rows of the index as one more, and no other query does. So an answer does
  not change with what else is asked.
- Only the nearest `depth` rows are put in order; what is further does not come among the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.neighbours.checks import check_vectors
from analysis.neighbours.nearest import prepare
from analysis.neighbours.reciprocal import (
    K1,
    Encodings,
    as_squares,
    encode,
    reranked_distances,
    scale_of,
    scale_rows,
    shared_weight,
)
from analysis.search.index import Index
from artifact.arrays import Indices, Numbers, Vectors

DEPTH = 50
"""Rows that are put in order, at least; twice the answers where that is more."""


class RerankedSearch:
    """An index whose answers are put in order by k-reciprocal encoding.

    Args:
        index: of at least two rows to do anything.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._k = max(0, min(K1, index.num_rows - 1))
        self._is_known = np.zeros(index.num_rows, bool)
        self._rows = np.empty((index.num_rows, self._k), np.int64)  # takes memory as it is filled
        self._squares = np.empty((index.num_rows, self._k))
        if self._k > 0:
            self._scale = scale_of(index.vectors_at(scale_rows(index.num_rows)))

    def search(self, vectors: Vectors, k: int) -> list[list[dict[str, Any]]]:
        """As Index.search, in the order of "reranked_distance", which is beside "distance"."""
        vectors = check_vectors(vectors, "queries")
        index = self._index
        if self._k < 1 or not len(vectors):
            return index.search(vectors, k)
        depth = min(index.num_rows, max(DEPTH, 2 * k))
        distances, rows = index.nearest_rows(vectors, depth)
        answers = []
        prepared = prepare(vectors, index.distance, np.zeros(index.dim, np.float32))
        for query, apart, near in zip(prepared, distances, rows, strict=True):
            values = self._reranked(query, near)
            order = np.lexsort((near, values))[:k]
            found = index.rows_at(near[order])
            names = [name for name in found.schema.names if name not in ("distance", "reranked_distance")]
            answers.append(
                [
                    {"id": row["id"], "distance": float(apart[at]), "reranked_distance": float(values[at])} | row
                    for at, row in zip(order, found.select(names).to_pylist(), strict=True)
                ]
            )
        return answers

    def _reranked(self, query: Vectors, near: Indices) -> Numbers:
        """What the nearest rows of a prepared query are ordered by; the query has the number behind the last row."""
        own = self._index.num_rows

        def squares_of(rows: Indices, others: Indices) -> Numbers:
            gaps = self._vectors(rows, query) - self._vectors(others, query)
            squares: Numbers = (gaps**2).sum(axis=1, dtype=np.float64)
            return squares

        def neighbours_of(rows: Indices) -> Indices:
            wanted, back = np.unique(rows, return_inverse=True)
            others = wanted[wanted != own]
            lists, squares = self._neighbours(others)
            to_query = squares_of(others, np.full(len(others), own))
            squares = np.concatenate([squares, to_query[:, None]], axis=1)
            lists = np.concatenate([lists, np.full((len(others), 1), own)], axis=1)
            order = np.argsort(squares, axis=1, kind="stable")[:, : self._k]
            found = np.concatenate([others[:, None], np.take_along_axis(lists, order, axis=1)], axis=1)
            if len(others) < len(wanted):
                found = np.concatenate([found, np.append(own, near[: self._k])[None, :]])
            return found[back.reshape(-1)]

        facts: dict[str, Any] = {"num_rows": own + 1, "scale": self._scale}
        encoded = encode(np.append(near, own), neighbours_of, squares_of, **facts)
        last = encoded.starts[-2]
        mine = encoded.rows[last:], encoded.weights[last:]
        theirs = Encodings(starts=encoded.starts[:-1], rows=encoded.rows[:last], weights=encoded.weights[:last])
        squares = squares_of(near, np.full(len(near), own))
        return reranked_distances(shared_weight(mine, theirs), squares, self._scale)

    def _vectors(self, rows: Indices, query: Vectors) -> Vectors:
        is_query = rows == self._index.num_rows
        if is_query.all():
            return query[None, :]
        wanted, back = np.unique(rows[~is_query], return_inverse=True)
        taken = np.empty((len(rows), len(query)), np.float32)
        taken[~is_query] = self._index.vectors_at(wanted)[back.reshape(-1)]
        taken[is_query] = query
        return taken

    def _neighbours(self, rows: Indices) -> tuple[Indices, Numbers]:
        """(int64 [m, k1], squared distances [m, k1]) of rows, asked of the index where they are not known."""
        missing = rows[~self._is_known[rows]]
        if len(missing):
            distances, found = self._index.nearest_rows(self._index.vectors_at(missing), self._k, own=missing)
            self._rows[missing], self._squares[missing] = found, as_squares(distances, self._index.distance)
            self._is_known[missing] = True
        return self._rows[rows], self._squares[rows]
