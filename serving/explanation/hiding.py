"""What stands in the place of a part that is hidden: the picture itself, so blurred that nothing of it can be seen.

Decision a reader would question: not black, which is a thing of its own that networks see, and not one colour for all
pictures: plain paper stays plain paper, so nothing grows where there is nothing to hide (docs/decisions/0057-why.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from artifact.images.decoding import Pixels
from serving.explanation.patches import Patch

_BLUR = 0.15
"""Half of the blur's window, as a share of the picture's shorter side."""
_TIMES = 3
"""A box three times over is nearly a Gaussian."""


def blurred(pixels: Pixels) -> Pixels:
    """uint8 [height, width, 3] without its details; the edge counts as if it went on for ever."""
    height, width = pixels.shape[:2]
    radius = max(1, round(_BLUR * min(height, width)))
    values = pixels.astype(np.int64)
    for _ in range(_TIMES):
        values = _box(_box(values, radius, axis=0), radius, axis=1)
    return values.astype(np.uint8)


def hide(pixels: Pixels, blur: Pixels, patch: Patch) -> Pixels:
    """A copy of a picture that is blurred in one place."""
    hidden = pixels.copy()
    hidden[patch.slices] = blur[patch.slices]
    return hidden


def _box(values: npt.NDArray[np.int64], radius: int, *, axis: int) -> npt.NDArray[np.int64]:
    """The rounded mean over 2 x radius + 1 places along an axis; in whole numbers, so one colour stays that colour."""
    around = [(radius + 1, radius) if each == axis else (0, 0) for each in range(values.ndim)]
    sums = np.cumsum(np.pad(values, around, mode="edge"), axis=axis)
    length, window = values.shape[axis], 2 * radius + 1
    first, last = (np.take(sums, range(at, at + length), axis=axis) for at in (0, window))
    means: npt.NDArray[np.int64] = (last - first + radius) // window
    return means
