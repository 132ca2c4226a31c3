"""Masks of objects: polygons and COCO's run lengths, turned into booleans of a window of the picture.

A mask is kept as it was written, which is small, and becomes pixels only where a crop asks for some of them.

Decisions a reader would question:
- A pixel is inside a polygon where its middle is (even-odd along its row); parts are joined, as COCO means them. COCO's
  own program draws the outline too, so its masks are up to a pixel wider.
- Run lengths go down the columns, first of zeros, and are those of a picture of one size: for any other they are a
  mistake, and never scaled.

Source: the format of run lengths is that of COCO (Lin et al., arXiv 1405.0312), as its API writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .image_error import ImageError

Window: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels; the last two are outside."""
Inside = npt.NDArray[np.bool_]

_LEAST_COORDINATES = 6
_LARGEST = 1e12
"""Of a coordinate of a polygon, in pixels or shares: far beyond any picture, and its products are still finite."""
_LETTERS = range(48, 112)
_MOST_BITS = 35
"""Of one run, in groups of 5: more than any picture has pixels."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Which pixels of a picture are an object's: run lengths, or polygons.

    Attributes:
        polygons: x, y, x, y, ... of each part, in pixels of the upright picture, or shares of it.
        in_shares: the polygons are in shares of width and height.
        counts: run lengths as numbers, or as the text that COCO packs them into; None: polygons it is.
        size: height and width of the picture that the run lengths are of, in the order that COCO writes them.
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    in_shares: bool = False
    counts: tuple[int, ...] | str | None = None
    size: tuple[int, int] = (0, 0)

    def inside(self, width: int, height: int, window: Window | None = None) -> Inside:
        """bool [bottom - top, right - left]: which pixels of a window, or of all, are the object's.

        Args:
            width, height: of the picture in pixels, upright.

        Raises:
            ImageError: the mask is none, or of a picture of another size.
        """
        window = window or (0, 0, width, height)
        if self.counts is None:
            return self._inside_polygons(width, height, window)
        if self.size != (height, width):
            is_of = f"{self.size[1]}x{self.size[0]}"
            raise ImageError(f"its mask is of a picture of {is_of}, and this one is {width}x{height}")
        left, top, right, bottom = window
        return decode_runs(self.counts, width, height)[top:bottom, left:right]

    def _inside_polygons(self, width: int, height: int, window: Window) -> Inside:
        left, top, right, bottom = window
        scale = (width, height) if self.in_shares else (1, 1)
        found = np.zeros((bottom - top, right - left), bool)
        for polygon in self.polygons:
            if len(polygon) < _LEAST_COORDINATES or len(polygon) % 2:
                raise ImageError(f"its mask has a polygon of {len(polygon)} numbers, expected pairs, three or more")
            corners = np.array(polygon, np.float64).reshape(-1, 2)
            if not (np.abs(corners) < _LARGEST).all():  # also catches NaN
                raise ImageError("its mask has a polygon with a number that is of no picture")
            found |= fill_polygon(corners * scale - (left, top), right - left, bottom - top)
        return found


def fill_polygon(corners: npt.NDArray[np.float64], width: int, height: int) -> Inside:
    """bool [height, width]: pixels whose middle lies within a closed polygon, by the even-odd rule.

    Args:
        corners: float64 [points, 2], x and y; pixel (0, 0) reaches from 0 to 1 both ways. They may lie outside.
    """
    # every edge turns the pixels right of it, in each row whose middle it crosses
    turned = np.zeros((height, width + 1), np.int32)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 > y2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        first, last = max(0, int(np.ceil(min(y1, height) - 0.5))), min(height, int(np.ceil(max(y2, 0) - 0.5)))
        if first >= last:
            continue
        rows = np.arange(first, last)
        crossing = x1 + (rows + 0.5 - y1) * ((x2 - x1) / (y2 - y1))
        turned[rows, np.ceil(np.clip(crossing, 0, width) - 0.5).clip(0, width).astype(np.int64)] += 1
    inside: Inside = np.cumsum(turned[:, :width], axis=1) % 2 == 1
    return inside


def decode_runs(counts: tuple[int, ...] | str, width: int, height: int) -> Inside:
    """bool [height, width] from COCO's run lengths, as numbers or packed; raises ImageError where they do not fit."""
    runs = unpack_runs(counts) if isinstance(counts, str) else list(counts)
    if any(run < 0 for run in runs):
        raise ImageError("its mask has a run of less than no pixels")
    if sum(runs) != width * height:
        raise ImageError(f"its mask has {sum(runs)} pixels, and the picture {width * height}")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    inside: Inside = values.reshape(width, height).T
    return inside


def unpack_runs(text: str) -> list[int]:
    """The run lengths in the text that COCO's program packs them into; raises ImageError.

    Each is written in groups of 5 bits, lowest first, bit 6 of a letter saying that more follow, and from the fourth on
    as the difference to the run two before.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text.encode("utf-8", "replace"):
        if letter not in _LETTERS or shift >= _MOST_BITS:
            raise ImageError("its mask is not a text of run lengths")
        group = letter - 48
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ImageError("its mask is a text of run lengths that is cut short")
    return runs
