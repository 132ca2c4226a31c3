"""Small pictures on a map: which rows have room for theirs, and where each stands.

Decision a reader would question: the map is cut into squares of one picture each, and the row nearest to the middle of
a square stands for all in it. No picture covers another, the densest place has as many as the emptiest, and each is at
most half a square from where its row is.
"""

from __future__ import annotations

import numpy as np

from artifact.arrays import AnyArray, Indices

SIDE = 40
"""Of a square, in the drawing."""

EDGE = 3
"""Of a square around its picture, in the colour of its point."""


def squares(where: AnyArray, *, side: int = SIDE) -> tuple[Indices, AnyArray]:
    """Points of which pictures are drawn.

    Args:
        where: float64 [N, 2], in the drawing.
        side: of a square.

    Returns:
        rows int64 [P], rising, and the corners of their squares float64 [P, 2].
    """
    square = np.floor(where / side).astype(np.int64)
    away = np.square(where - (square + 0.5) * side).sum(axis=1)
    order = np.lexsort((np.arange(len(where)), away, square[:, 0], square[:, 1]))
    is_first = np.ones(len(order), bool)
    is_first[1:] = (square[order[1:]] != square[order[:-1]]).any(axis=1)
    rows = np.sort(order[is_first])
    return rows, square[rows] * float(side)
