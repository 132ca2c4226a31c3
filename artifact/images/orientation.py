"""Orientation of a picture: which way up its camera was held, as EXIF and XMP tell it, and pixels turned upright.

Decision a reader would question: whatever cannot be understood means upright. Metadata turns a picture, and never
decides whether it is read.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

_TAG = 0x0112
_PNG_XMP = "XML:com.adobe.xmp"
"""What Pillow calls the XMP text of a PNG, beside `xmp`, which other formats have alone."""
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def stored_orientation(exif: object, xmp: object = None) -> int:
    """1..8 from an EXIF block, or where that has none from an XMP packet, both bytes; 1 for anything else."""
    try:
        if isinstance(exif, bytes):
            tags = Image.Exif()
            tags.load(exif)
            if _TAG in tags:
                return _known(tags[_TAG])
    except Exception:  # broken EXIF in a good image
        return 1
    match = _XMP.search(xmp) if isinstance(xmp, bytes) else None
    return _known(match[1]) if match else 1


def image_orientation(image: Image.Image) -> int:
    """1..8 of a loaded Pillow image; text of a PNG that only has the name of real metadata tells nothing."""
    info = image.info
    if isinstance(image, PngImagePlugin.PngImageFile) or image.format == "PNG":
        return stored_orientation(None if "exif" in getattr(image, "text", {}) else info.get("exif"))
    if image.format is None:  # a copy, whose file may have been a PNG
        return stored_orientation(info.get("exif"), None if _PNG_XMP in info else info.get("xmp"))
    try:
        return _known(image.getexif().get(_TAG, 1))
    except Exception:  # broken EXIF, as above
        return 1


def upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Apply orientation 2..8 to uint8 [h, w, 3]; anything else is upright already."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _known(value: object) -> int:
    number = int(value) if isinstance(value, (int, float, bytes)) else 1
    return number if 1 <= number <= 8 else 1
