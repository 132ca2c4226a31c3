"""Patches: the squares of a picture that are hidden one at a time, at several scales, and the map that they make.

Decisions a reader would question:
- Patches overlap by half, so that what lies on the border of one is the middle of another.
- A place of the map is the mean over the patches of a scale that cover it, then over the scales: what is large is found
  by the coarse ones and placed by the fine ones. Scales are not weighted: each tells by how much the distance grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artifact.arrays import Numbers

PARTS = (3, 5, 8, 12)
"""How often the patches of each scale fit into a side, coarse to fine."""
_LEAST_PX = 2
"""Of a side of a patch: smaller ones are noise."""


@dataclass(frozen=True)
class Patch:
    """A part of a picture, in pixels of what the network is given; `bottom` and `right` are behind its last ones."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def overlaps(self, other: Patch) -> bool:
        """Whether they have a pixel in common."""
        return max(self.top, other.top) < min(self.bottom, other.bottom) and max(self.left, other.left) < min(
            self.right, other.right
        )


def patch_scales(height: int, width: int, most: int) -> list[list[Patch]]:
    """The patches of each scale, coarse to fine: as many scales as stay below `most` patches, the coarsest at least.

    Args:
        height, width: of the picture, in pixels.
    """
    scales: list[list[Patch]] = []
    for parts in PARTS:
        patches = _grid(height, width, parts)
        if scales and (sum(map(len, scales)) + len(patches) > most or min(height, width) < _LEAST_PX * parts):
            break
        scales.append(patches)
    return scales


def least_patches() -> int:
    """Of the coarsest scale alone."""
    return (2 * PARTS[0] - 1) ** 2


def spread(patches: Sequence[Patch], values: Numbers, height: int, width: int) -> Numbers:
    """The mean value of the patches over each pixel, float64 [height, width]; NaN where all that cover it have none.

    Args:
        values: float64 [patches], NaN for a patch without one.
    """
    sums, counts = np.zeros((2, height, width))
    for patch, value in zip(patches, values.tolist(), strict=True):
        if np.isfinite(value):
            sums[patch.slices] += value
            counts[patch.slices] += 1
    with np.errstate(invalid="ignore"):  # 0 / 0 where no patch has a value
        return np.where(counts > 0, sums / counts, np.nan)


def _grid(height: int, width: int, parts: int) -> list[Patch]:
    """2 x parts - 1 patches a side, each 1 / parts of it, half a patch apart; fewer where pixels are few."""
    rows, columns = _spans(height, parts), _spans(width, parts)
    return [Patch(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def _spans(length: int, parts: int) -> list[tuple[int, int]]:
    edges = [round(length * step / (2 * parts)) for step in range(2 * parts + 1)]
    spans = [(edges[step], edges[step + 2]) for step in range(2 * parts - 1)]
    return list(dict.fromkeys(span for span in spans if span[1] > span[0]))
