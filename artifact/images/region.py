"""A region of a picture: the box of one object, and where it has one its mask, cut out before anything is resized.

    box     x1, y1, x2, y2 of the picture upright, as decoded with its EXIF orientation applied: (0, 0) is the corner at
            the top left, (width, height) that at the bottom right

Decisions a reader would question:
- A crop takes every pixel that the box touches: half a pixel of an object of ten is much, one of its surroundings not.
- What lies beyond the picture is left out, so a box at its edge gives a smaller crop, unless `reaches_out` says to fill
  it: then the object stays in the middle, and has its shape.
- A box that says which size of picture it is of is refused in a picture of another one: it is another picture's, or was
  drawn before the picture was turned or made smaller.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .decoding import Pixels
from .image_error import ImageError
from .mask import Mask, Window

PX, SHARE = "px", "share"
UNITS = (PX, SHARE)
Box: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2."""
Colour: TypeAlias = tuple[int, int, int]

_NEARLY = 1e-3
"""Of a pixel: what a box written in shares may miss a whole number by."""
_FAR_PX = 2.0**40
"""Beyond any picture, and still a whole number of pixels."""
_LARGEST_FILLED_PX = 64 * 2**20
"""Of a crop that reaches beyond its picture; of a larger picture four times its own pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of a picture; equal ones are the same part. Light: a mask stays as it was written.

    Attributes:
        box: x1, y1, x2, y2 of the upright picture, in `unit`.
        unit: `px`, or `share` of width and height.
        size: width and height of the picture that the box was drawn in, where somebody said it.
        mask: the pixels that are the object's; None: all of the box.
        padding: what to take of the surroundings on every side, as a share of the box's larger side in pixels.
        outside: colour of what is not in the mask; None leaves it, and the mask changes nothing.
        reaches_out: what lies beyond the picture is filled with `outside` (black without one), and not left out.
        fault: why there is no box, where more can be said than that its numbers are none.
    """

    box: Box = (math.nan, math.nan, math.nan, math.nan)
    unit: str = PX
    size: tuple[int, int] | None = None
    mask: Mask | None = None
    padding: float = 0.0
    outside: Colour | None = None
    reaches_out: bool = False
    fault: str | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"unit: expected one of {', '.join(UNITS)}, got {self.unit!r}")
        if not 0 <= self.padding < math.inf:
            raise ValueError(f"padding: expected a share of 0 or more, got {self.padding}")

    def require_box(self) -> None:
        """Raise ImageError, with a reason, for what is no box in any picture."""
        if self.fault is not None:
            raise ImageError(self.fault)
        if not all(map(math.isfinite, self.box)):
            missing = "no box" if all(map(math.isnan, self.box)) else f"a box with a number that is none: {self._shown}"
            raise ImageError(missing)
        x1, y1, x2, y2 = self.box
        if x2 < x1 or y2 < y1:
            raise ImageError(f"a box that ends before it begins: {self._shown}")
        if x2 == x1 or y2 == y1:
            raise ImageError(f"a box without an area: {self._shown}")

    def shares(self, width: int, height: int) -> Box:
        """The box with its padding, clipped to a picture, as shares of its width and height: each from 0 to 1.

        Args:
            width, height: of the picture in pixels, upright.

        Raises:
            ImageError: NaN, no area, inverted, wholly outside, of a picture of another size, a single pixel, or so thin
                that FP32, in which shares are sent, knows no area of it.
        """
        x1, y1, x2, y2 = self._padded(width, height)
        self._touched((x1, y1, x2, y2), width, height)
        found = max(0.0, x1) / width, max(0.0, y1) / height, min(width, x2) / width, min(height, y2) / height
        rounded = np.array(found, np.float32)
        if not (rounded[:2] < rounded[2:]).all():
            raise ImageError(f"a box without an area in single precision: {self._shown}")
        return found

    def crop(self, pixels: Pixels) -> Pixels:
        """Cut it out of a picture, uint8 [h, w, 3] as decoded and upright, at its own size; C-contiguous.

        Raises:
            ImageError: as `shares`; a mask that does not fit, or has no pixel in the picture; or a single pixel, which
                is no picture.
        """
        height, width = pixels.shape[:2]
        x1, y1, x2, y2 = self._padded(width, height)
        if not self.reaches_out:
            x1, y1, x2, y2 = max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2)
        wanted, (left, top, right, bottom) = self._touched((x1, y1, x2, y2), width, height)
        cut = np.ascontiguousarray(pixels[top:bottom, left:right])
        if self.mask is not None:
            cut = self._masked(cut, width, height, (left, top, right, bottom))
        if not self.reaches_out or wanted == (left, top, right, bottom):
            return cut
        canvas = np.empty((wanted[3] - wanted[1], wanted[2] - wanted[0], 3), np.uint8)
        canvas[:] = self.outside or (0, 0, 0)
        canvas[top - wanted[1] : bottom - wanted[1], left - wanted[0] : right - wanted[0]] = cut
        return canvas

    @property
    def key(self) -> bytes:
        """32 bytes: equal for equal regions, in any process; with a picture's own hash it stands for its pixels."""
        facts = (self.box, self.unit, self.size, self.padding, self.outside, self.reaches_out, self.fault)
        mask = self.mask and (self.mask.polygons, self.mask.in_shares, self.mask.counts, self.mask.size)
        return hashlib.sha256(repr((facts, mask)).encode()).digest()

    def _padded(self, width: int, height: int) -> Box:
        """The box with its padding in pixels, not clipped; raises ImageError unless some of it is in the picture."""
        self.require_box()
        if self.size is not None and self.size != (width, height):
            raise ImageError(self._of_another_picture(width, height))
        scale = (width, height) if self.unit == SHARE else (1, 1)
        x1, y1, x2, y2 = (value * scale[index % 2] for index, value in enumerate(self.box))
        if x2 <= _NEARLY or y2 <= _NEARLY or x1 >= width - _NEARLY or y1 >= height - _NEARLY:
            hint = self._unit_hint(width, height)
            raise ImageError(f"a box outside the picture of {width}x{height}: {self._shown}{hint}")
        more = self.padding * max(x2 - x1, y2 - y1) if self.padding else 0.0  # no share of what is beyond a double
        if self.reaches_out and max(x2 - x1, y2 - y1) + 2 * more > 4 * max(width, height):
            raise ImageError(f"a box of more than four times the picture of {width}x{height}: {self._shown}")
        area = (x2 - x1 + 2 * more) * (y2 - y1 + 2 * more)
        if self.reaches_out and area > max(_LARGEST_FILLED_PX, 4 * width * height):
            raise ImageError(f"a box of {area:,.0f} pixels beyond a picture of {width}x{height}: {self._shown}")
        return x1 - more, y1 - more, x2 + more, y2 + more

    def _touched(self, box: Box, width: int, height: int) -> tuple[Window, Window]:
        """The pixels that a padded box touches, and those of them in the picture; raises ImageError for a single one.

        The first may reach far out: only who fills beyond the picture looks at more than its part inside.
        """
        x1, y1, x2, y2 = (min(max(value, -_FAR_PX), _FAR_PX) for value in box)
        wanted = (_floor(x1), _floor(y1), max(_ceil(x2), _floor(x1) + 1), max(_ceil(y2), _floor(y1) + 1))
        inside = max(0, wanted[0]), max(0, wanted[1]), min(width, wanted[2]), min(height, wanted[3])
        if (inside[2] - inside[0], inside[3] - inside[1]) == (1, 1):
            raise ImageError(f"a box of a single pixel: {self._shown}{self._unit_hint(width, height)}")
        return wanted, inside

    def _masked(self, cut: Pixels, width: int, height: int, window: Window) -> Pixels:
        assert self.mask is not None
        inside = self.mask.inside(width, height, window)
        if not inside.any():
            raise ImageError(f"a mask without a pixel in its box: {self._shown}")
        if self.outside is None:
            return cut
        return np.where(inside[..., None], cut, np.array(self.outside, np.uint8))

    def _of_another_picture(self, width: int, height: int) -> str:
        assert self.size is not None
        is_of = f"a box of a picture of {self.size[0]}x{self.size[1]}, and this one is {width}x{height}"
        return f"{is_of} upright: it was turned since" if self.size == (height, width) else is_of

    def _unit_hint(self, width: int, height: int) -> str:
        if self.unit == PX and max(self.box) <= 1 < max(width, height):
            return "; these seem to be shares of the picture"
        if self.unit == SHARE and max(self.box) > 2:
            return "; these seem to be pixels"
        return ""

    @property
    def _shown(self) -> str:
        x1, y1, x2, y2 = (f"{value:.6g}" for value in self.box)
        return f"from {x1}, {y1} to {x2}, {y2} {'px' if self.unit == PX else 'as shares'}"


def _floor(value: float) -> int:
    return math.floor(value + _NEARLY)


def _ceil(value: float) -> int:
    return math.ceil(value - _NEARLY)
