"""Pictures made small for people to look at: decoded no larger than needed, never enlarged, upright.

Decisions a reader would question:
- A JPEG is decoded at a half, a quarter or an eighth where that is still as large as what is wanted: libjpeg leaves the
  rest of the work out. The pixels differ a little from those of a full decode that is shrunk (a level or two in the
  mean), so no network ever sees them.
- Of pixels that are sixteen times as many a side as wanted, or more, some are left out at regular distances before the
  rest is averaged: 64 or more still make one. A decoded photograph of 12 megapixels takes a tenth of the time so.
- Where libjpeg complains of anything, the one decoder (decoding.py) decides. A hole of zeros, and scans that are
  missing, it would find too; here such a picture is shown as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simplejpeg

from .decoding import Pixels, decoded, inspect_image
from .jpeg_segments import Header, read_header
from .limits import DEFAULT_LIMITS, Limits
from .orientation import upright
from .pixel_budget import PIXEL_BUDGET
from .preprocessing import Preprocessing, resize_pixels

_MOST_SCANS = 100
"""Of a progressive file, as in jpeg.py: what seems to have more is left to the one decoder."""
_COEFFICIENT_BYTES = 6
"""A pixel of a progressive file, whose coefficients are held whole, however small the picture comes out."""
_SCALED_BYTES = 10
_SAMPLES = 8
"""Pixels of the original along each side of one that is made of them, at least."""


@dataclass(frozen=True, kw_only=True)
class Shrunk:
    """A small picture.

    Attributes:
        pixels: uint8 [h, w, 3], C-contiguous; neither side is longer than was asked for.
        width, height: of the original in pixels, upright.
    """

    pixels: Pixels
    width: int
    height: int


def shrink_image(data: bytes, side_px: int, limits: Limits = DEFAULT_LIMITS) -> Shrunk:
    """Decode an encoded image and fit it into `side_px` x `side_px`; a smaller one keeps its size.

    Raises:
        ImageError: as artifact.images.decoding.decode_image.
    """
    name, width, height = inspect_image(data, limits)
    if name == "JPEG":
        small = _scaled_jpeg(data, width, height, side_px)
        if small is not None:
            return small
    with decoded(data, limits) as pixels:
        return shrink_pixels(pixels, side_px)


def shrink_pixels(pixels: Pixels, side_px: int) -> Shrunk:
    """Fit uint8 [h, w, 3] into `side_px` x `side_px`; smaller pixels are copied as they are."""
    height, width = pixels.shape[:2]
    to_width, to_height = fitted_size(width, height, side_px)
    some = pixels
    if height >= 2 * _SAMPLES * to_height and width >= 2 * _SAMPLES * to_width:
        some = pixels[_middles(height, _SAMPLES * to_height)][:, _middles(width, _SAMPLES * to_width)]
    return Shrunk(pixels=_fitted(some, to_width, to_height), width=width, height=height)


def _middles(length: int, count: int) -> npt.NDArray[np.int64]:
    """int64 [count]: places in the middle of equal parts of a side."""
    return ((2 * np.arange(count) + 1) * length) // (2 * count)


def fitted_size(width: int, height: int, side_px: int) -> tuple[int, int]:
    """Width and height of a picture that is made to fit into a square, its shape kept, at least a pixel each way."""
    scale = min(1.0, side_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _scaled_jpeg(data: bytes, width: int, height: int, side_px: int) -> Shrunk | None:
    """By a scaled decode; None where that saves nothing, or where it meets anything odd."""
    header = read_header(data)
    to_width, to_height = fitted_size(width, height, side_px)
    factor = next((each for each in (8, 4, 2) if width >= each * to_width and height >= each * to_height), 1)
    if factor == 1 or header.num_components not in (1, 3) or _has_many_scans(data, header):
        return None
    num_bytes = width * height * (_SCALED_BYTES // factor + (0 if header.is_one_scan else _COEFFICIENT_BYTES))
    with PIXEL_BUDGET.hold(num_bytes):
        try:
            # by its size, for there are scales between (3/8) that take longer than a half
            pixels = simplejpeg.decode_jpeg(
                data, colorspace="RGB", min_width=-(-width // factor), min_height=-(-height // factor)
            )
        except ValueError:
            return None
        turned = upright(_fitted(pixels, to_width, to_height), header.orientation)
    if header.orientation in (5, 6, 7, 8):
        width, height = height, width
    return Shrunk(pixels=turned, width=width, height=height)


def _has_many_scans(data: bytes, header: Header) -> bool:
    return header.is_progressive and data.count(b"\xff\xda", header.scan_start) > _MOST_SCANS


def _fitted(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return np.array(pixels)  # of a table, which may be a view of all of its cells
    return resize_pixels(pixels, Preprocessing(height=height, width=width))
