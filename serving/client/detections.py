"""Detections of pictures, and the columns that they make: one row each, the surest of a picture first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artifact.arrays import AnyArray, Vectors
from artifact.kinds import BRANCH_OUTPUT
from rows.box_columns import BOX, OBJECT_ID

SCORE = "score"
_BOX_END, _SCORE_END = 4, 5


@dataclass(frozen=True)
class Detections:
    """The D objects that were found in a picture, the surest first.

    Attributes:
        boxes: float32 [D, 4], x1, y1, x2, y2 as shares of the picture.
        scores: float32 [D].
        vectors: float32 [D, n].
    """

    boxes: Vectors
    scores: Vectors
    vectors: Vectors


def detection_columns(found: Sequence[Vectors], embedding_dim: int) -> dict[str, AnyArray]:
    """Columns of the rows of some pictures, one after the other: `object_id` from 0 in each, `score`, `box`, vectors.

    Args:
        found: of each picture float32 [D, 5 + n], as DetectionRunner gives it.
        embedding_dim: n, for where nothing was found.
    """
    rows = np.concatenate([np.empty((0, _SCORE_END + embedding_dim), np.float32), *found])
    numbers = [np.arange(len(each), dtype=np.int64) for each in found]
    return {
        OBJECT_ID: np.concatenate([np.empty(0, np.int64), *numbers]),
        SCORE: np.ascontiguousarray(rows[:, _BOX_END]),
        BOX: np.ascontiguousarray(rows[:, :_BOX_END]),
        BRANCH_OUTPUT: np.ascontiguousarray(rows[:, _SCORE_END:]),
    }


def detections_of_row(columns: dict[str, AnyArray], rows: AnyArray, row: int) -> Detections:
    """Those of one picture among columns of several.

    Args:
        rows: the picture of each, rising.
    """
    start, end = np.searchsorted(rows, [row, row + 1]).tolist()
    part = slice(start, end)
    return Detections(columns[BOX][part], columns[SCORE][part], columns[BRANCH_OUTPUT][part])
