"""Rows that have a place on a map already, and the place of any further vector among them.

Decisions a reader would question:
- A vector that is one of theirs gets that row's very place: it is not averaged with its neighbours.
- Any other stands at the weighted median of its nearest rows' places, the nearer the heavier, and no row of the map
  moves. A mean would stand in the empty middle of two groups where the neighbours are of both; a median stands in one.
  Figures beside means and the libraries' own `transform` are in docs/decisions/0044-maps.md.

Source of the median: E. Weiszfeld 1937, "Sur le point pour lequel la somme des distances de n points donnés est
minimum", Tohoku Mathematical Journal 43.
"""

from __future__ import annotations

import numpy as np

from analysis.neighbours.nearest import prepare, search_index
from analysis.search.index_kinds import INDEX_KINDS
from artifact.arrays import Indices, Numbers, Vectors
from rows.vectors.table import VectorTable

NEIGHBOURS = 10
"""Rows whose places a further one is put among."""

EXACT_PRODUCTS = 5 * 10**11
"""Rows x new rows x dims up to which every row is compared: half a minute of two cores."""

LEAST_RECALL = 0.9
"""recall@10 of the index where not every row is compared: a median bears it where a far one of the ten is missing. Of a
mixture of 10,000 groups .99 took three times as long."""

_LEAST_LISTED = 10_000
_ROUNDS = 30


class Anchors:
    """An index of rows with their places.

    Args:
        table: the rows' vectors.
        places: float32 [N, 2].
        distance: a name in artifact.distances.DISTANCES.
        num_new: how many vectors will be placed, which decides the kind of index.
        seed: of the index.
    """

    def __init__(self, table: VectorTable, places: Vectors, *, distance: str, num_new: int, seed: int) -> None:
        is_large = table.num_rows * num_new * table.dim > EXACT_PRODUCTS and table.num_rows > _LEAST_LISTED
        kind = "ivf" if is_large else "flat"
        self._index, _ = INDEX_KINDS[kind](table, distance, recall=LEAST_RECALL, seed=seed)
        self._places, self._distance, self._origin = places, distance, np.zeros(table.dim, np.float32)
        self._k = min(NEIGHBOURS, table.num_rows)

    def place(self, vectors: Vectors, own: Indices | None = None) -> tuple[Vectors, Indices]:
        """Where further vectors belong.

        Args:
            vectors: float32 [m, n].
            own: int64 [m], the row that each may be, by its id; -1: none.

        Returns:
            Places float32 [m, 2], and int64 [m], the row whose place that is to the last bit; -1 where it is a median.
        """
        distances, rows = search_index(
            self._index,
            self._index.reconstruct_batch,
            vectors,
            self._k,
            distance=self._distance,
            centre=self._origin,
        )
        places = _median(distances, self._places[rows])
        prepared = prepare(vectors, self._distance, self._origin)
        same = np.full(len(vectors), -1)
        for asked in (rows[:, 0],) if own is None else (rows[:, 0], own):
            there = np.flatnonzero(asked >= 0)
            equal = (self._index.reconstruct_batch(asked[there]) == prepared[there]).all(axis=1)
            same[there[equal]] = asked[there[equal]]
        places[same >= 0] = self._places[same[same >= 0]]
        return places, same


def _median(distances: Vectors, places: Vectors) -> Vectors:
    """float32 [m, k] and [m, k, 2] -> [m, 2]: the point of least summed distance to the places, weighted by 1 / d."""
    apart, wide = distances.astype(np.float64), places.astype(np.float64)
    least = np.finfo(np.float32).tiny + 1e-9 * apart[:, -1:]
    weights: Numbers = (apart[:, :1] + least) / (apart + least)
    found = _mean(weights, wide)
    spread = np.ptp(wide, axis=1).max(axis=1)[:, None]
    for _ in range(_ROUNDS):
        away = np.linalg.norm(wide - found[:, None], axis=2)
        found = _mean(weights / np.maximum(away, 1e-6 * spread + np.finfo(np.float64).tiny), wide)
    return found.astype(np.float32)


def _mean(weights: Numbers, places: Numbers) -> Numbers:
    shares = weights / weights.sum(axis=1, keepdims=True)
    found: Numbers = np.einsum("mk,mkc->mc", shares, places)
    return found
