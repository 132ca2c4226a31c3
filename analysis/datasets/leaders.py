"""Leaders: groups around kept rows, in which every row is within the threshold of the one that is kept.

Rows come in an order, the best first. One that is in no group yet is kept, and every row within the threshold that is
in no group yet joins it. So no two kept rows are within the threshold of each other, every other row is within it of
the one that stands for it, and nothing chains: a series of pictures of which each looks like the next is several
groups.

Decisions a reader would question:
- Rows of one content go together: the best of them stands for all, and the others come with it.
- The nearest others of every row are known; where all of them are within the threshold there may be more, and a row
  that is to be kept then asks for all. Rows that have joined a group never ask, so a hundred thousand near copies
  cost one question. Questions are asked some at a time, as many as give some million answers.
- An index that is not exact may find b near a and not a near b. A row whose own neighbours hold a kept row joins it.

Source: J. Hartigan 1975, "Clustering Algorithms", chapter 3 (leader algorithm), with an order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.search.graph import NeighbourGraph
from artifact.arrays import Flags, Indices

_ANSWERS = 1 << 22
_QUESTIONS = 1024

Within = Callable[[Indices], list[Indices]]
"""Rows int64 [m] -> the rows within the threshold of each, itself among them or not."""


def group_by_leaders(
    graph: NeighbourGraph, threshold: float, order: Indices, codes: Indices, within: Within
) -> Indices:
    """The kept row of every row: int64 [N], its own number where it is kept or alone.

    Args:
        graph: of the N rows.
        threshold: the largest distance of a row from the kept one.
        order: int64 [N], every row once, the best to keep first.
        codes: int64 [N], equal iff two rows have the same content.
        within: all rows within the threshold of some.
    """
    near = graph.distances <= np.float32(threshold)
    stands_for = _best_of_content(order, codes)
    kept = np.full(len(order), -1)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    is_asked = is_full(graph, near)
    has_near: Flags = np.asarray(near.any(axis=1), bool)
    queue = order[(stands_for[order] == order) & has_near[order]]
    ahead = _Ahead(queue, is_asked, kept, within)
    for at, row in enumerate(queue.tolist()):
        if kept[row] >= 0:
            continue
        found = ahead.of(at) if is_asked[row] else graph.rows[row, near[row]]
        others = np.unique(stands_for[found])
        others = others[others != row]
        leaders = others[kept[others] == others]
        if leaders.size:
            kept[row] = leaders[rank[leaders].argmin()]
            continue
        kept[row] = row
        kept[others[kept[others] < 0]] = row
    alone = kept < 0
    kept[alone] = np.flatnonzero(alone)
    return kept[stands_for]


def is_full(graph: NeighbourGraph, near: Flags) -> Flags:
    """bool [N]: rows that may have more others within the threshold than the graph has neighbours.

    Args:
        near: bool [N, k], the neighbours within it.
    """
    return near[:, -1] & (graph.k < len(near) - 1)


def _best_of_content(order: Indices, codes: Indices) -> Indices:
    """The best row of the same content as each row: int64 [N]."""
    _, firsts, back = np.unique(codes[order], return_index=True, return_inverse=True)
    best = np.empty_like(order)
    best[order] = order[firsts[back]]
    return best


class _Ahead:
    """Answers to questions of rows further on in the queue, asked together."""

    def __init__(self, queue: Indices, is_asked: Flags, kept: Indices, within: Within) -> None:
        self._queue, self._is_asked, self._kept, self._within = queue, is_asked, kept, within
        self._answers: dict[int, Indices] = {}
        self._size = 1

    def of(self, at: int) -> Indices:
        """The rows within the threshold of the row at this place of the queue."""
        row = int(self._queue[at])
        if row not in self._answers:
            rows = self._queue[at : at + 64 * self._size]
            rows = rows[self._is_asked[rows] & (self._kept[rows] < 0)][: self._size]
            self._answers = dict(zip(rows.tolist(), self._within(rows), strict=True))
            num_answers = sum(map(len, self._answers.values()))
            fitting = _ANSWERS * len(rows) // max(1, num_answers)
            self._size = max(1, min(2 * self._size, fitting, _QUESTIONS))
        return self._answers.pop(row)
