"""JPEG files by libjpeg's own words: what it complains of tells a damaged picture from a harmless oddity.

simplejpeg (libjpeg-turbo) raises on every warning of libjpeg with the words of the first. So a file that it complains
of is decoded a second time, from its picture alone: metadata and stray bytes gone, the end marker where the picture
ends. What libjpeg says of that decides (docs/decisions/0015-what-a-decoder-complains-of.md).

Decisions a reader would question:
- libjpeg has no word for a hole that was filled with zeros, where the count of blocks happens to come out right. Zeros
  that can be no picture by the file's own Huffman tables are damage too.
- CMYK is decoded here as well and converted by Pillow, which gives the same pixels as Pillow alone and hears the words.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, JpegImagePlugin

from .jpeg_segments import Header, Scans, read_scans
from .pillow_pixels import rgb_pixels

_TRUNCATED = "image file is truncated"
_NO_END = "Premature end of JPEG file"
_LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_FOR_PILLOW = "subsampling"
"""In the words of libjpeg-turbo for the few samplings that its simple interface does not have."""
_HOLE = bytes(64)
_STUFFED = b"\xff\x00"
"""How a byte 0xff is written in coded bytes, about once in 256, and next to never in anything else."""
_MOST_SCANS = 100
"""Of a progressive file; honest ones have about ten, and each costs a pass over all of the picture."""


def decode_jpeg(data: bytes, header: Header) -> npt.NDArray[np.uint8]:
    """uint8 [h, w, 3] of a file whose header was read, not turned by its orientation.

    Raises:
        ValueError: with libjpeg's words: rows are missing, or what is there is damaged.
    """
    if header.num_components not in (1, 3, 4):
        raise ValueError(f"JPEG of {header.num_components} colour components")
    scans: Scans | None = None
    if header.is_progressive and data.count(b"\xff\xda", header.scan_start) > _MOST_SCANS:  # or so it looks: trailers
        scans = read_scans(data, header)
        if len(scans.scans) > _MOST_SCANS:
            raise ValueError(f"more than {_MOST_SCANS} scans")
    is_cmyk = header.num_components == 4

    def decode(file: bytes, strict: bool = True) -> npt.NDArray[np.uint8]:
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
            file, colorspace="CMYK" if is_cmyk else "RGB", strict=strict
        )
        return pixels

    left_over = 0
    try:
        pixels = decode(data)
    except ValueError as error:
        scans = scans or read_scans(data, header)
        pixels, left_over = _second_try(data, scans, str(error), decode)
    if not header.is_one_scan:
        scans = scans or read_scans(data, header)
        if not scans.is_complete:
            raise ValueError(f"{_TRUNCATED} (scans are missing)")
    if data.find(_HOLE, header.scan_start) >= 0:
        _require_no_hole(data, scans or read_scans(data, header), left_over)
    if is_cmyk and pixels.shape[2] == 4:  # inverted, as Adobe began it and everybody does
        pixels = np.asarray(Image.fromarray(255 - pixels, "CMYK").convert("RGB"))
    return pixels


def _second_try(
    data: bytes, scans: Scans, words: str, decode: Callable[..., npt.NDArray[np.uint8]]
) -> tuple[npt.NDArray[np.uint8], int]:
    """The pixels of the picture alone, and how many coded bytes are left over behind its last block."""
    if _FOR_PILLOW in words:
        return _by_pillow(data if not scans.has_end else scans.picture()), 0
    if not scans.scans:
        raise ValueError(words)
    if not scans.has_end and not scans.is_complete:
        raise ValueError(f"{_TRUNCATED} ({_NO_END})")
    picture = scans.picture()
    try:
        return decode(picture), 0
    except ValueError as error:
        words = str(error)
    left_over = _LEFT_OVER.search(words)
    if left_over:
        return decode(picture, strict=False), int(left_over[1])
    raise ValueError(words if scans.has_end else f"{_TRUNCATED} ({words})")


def _require_no_hole(data: bytes, scans: Scans, left_over: int) -> None:
    """Raise ValueError for zeros in the coded bytes that can be no flat area.

    Where they can be one, a hole makes more blocks of its bytes than there were: coded bytes are left over at the end.
    """
    for number, scan in enumerate(scans.scans, start=1):
        end = scan.end - (left_over if number == len(scans.scans) else 0)
        is_flat = scan.zeros_are_flat and data.find(_STUFFED, end, scan.end) < 0
        if not is_flat and data.find(_HOLE, scan.start, end) >= 0:
            raise ValueError("Corrupt JPEG data: a hole of zeros in the picture")


def _by_pillow(data: bytes) -> npt.NDArray[np.uint8]:
    """The pixels by Pillow, which hears no warnings and refuses what is cut short."""
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data), "")
    image.load()
    return rgb_pixels(image)
