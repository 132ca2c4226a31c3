"""COCO's run lengths, written by plain loops: the other way round than the reader under test."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def plain_runs(inside: npt.NDArray[np.bool_]) -> list[int]:
    """The run lengths of bool [height, width], column by column, those outside first."""
    runs, current = [0], False
    for column in range(inside.shape[1]):
        for row in range(inside.shape[0]):
            if bool(inside[row, column]) != current:
                current = not current
                runs.append(0)
            runs[-1] += 1
    return runs


def packed_runs(runs: list[int]) -> str:
    """The text that COCO's program makes of them: groups of 5 bits, from the fourth run on of a difference."""
    letters = []
    for place, run in enumerate(runs):
        value = run - (runs[place - 2] if place > 2 else 0)
        while True:
            group, value = value & 31, value >> 5
            more = value != -1 if group & 16 else value != 0
            letters.append(chr(48 + group + (32 if more else 0)))
            if not more:
                break
    return "".join(letters)
