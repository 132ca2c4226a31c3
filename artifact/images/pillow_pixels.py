"""Pixels of Pillow's images of any mode, as uint8 RGB: 16 bits scaled, transparency over white.

What cannot become RGB without guessing (floats, integers of more than 16 bits) is refused with the reason, and never
clipped in silence. Nor does what has 8 bits in a wider mode become black.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from .image_error import ImageError

_MAX_16_BIT = 65535
_WITH_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")


def bytes_a_pixel(image: Image.Image) -> int:
    """Memory that `rgb_pixels` and resizing take at their peak, copies included; see docs/decisions/0016."""
    is_deep = image.mode.startswith("I") or "A" in image.mode.upper() or "transparency" in image.info
    return 20 if is_deep else 14


def rgb_pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    """uint8 [h, w, 3] of a loaded image; ImageError for a mode that has no pixels of 8 or 16 bits."""
    mode = image.mode
    if mode.startswith("I"):
        return _grey(image)
    if mode == "F":
        raise ImageError("32-bit float pixels are not supported; save as 8 or 16 bits")
    if "transparency" in image.info and not _is_real(image.info["transparency"], mode):
        image = image.copy()
        del image.info["transparency"]
    if mode == "La":  # Pillow has no way from it to RGBA but this one
        image = image.convert("LA")
    has_clear_colours = mode == "P" and image.palette is not None and image.palette.mode == "RGBA"
    if mode in _WITH_ALPHA or has_clear_colours or "transparency" in image.info:
        rgba = _as_mode(image, "RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
    return np.asarray(_as_mode(image, "RGB"))


def has_last_row(image: Image.Image) -> bool:
    """Whether the last row of a loaded image holds anything but zeros, as memory does before."""
    row = image.crop((0, image.height - 1, image.width, image.height))
    return any(row.tobytes())


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image itself where it is of that mode: Pillow's convert would copy all of its pixels."""
    return image if image.mode == mode else image.convert(mode)


def _grey(image: Image.Image) -> npt.NDArray[np.uint8]:
    """16-bit grey scaled to 8 bits with rounding; Pillow's own convert clips everything above 255 to white.

    Values up to 255 are taken as 8 bits where no file says that they are 16: Pillow's convert leaves them so.
    """
    values = np.asarray(image).astype(np.int64)
    if values.size and not 0 <= values.min() <= values.max() <= _MAX_16_BIT:
        got = f"{values.min()} to {values.max()}"
        raise ImageError(f"32-bit integer pixels ({got}) are not supported; save as 8 or 16 bits")
    if values.size and values.max() <= 255 and not _is_of_16_bits(image):
        grey = values.astype(np.uint8)
    else:
        grey = ((values * 255 + 32767) // _MAX_16_BIT).astype(np.uint8)
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey[values == key] = 255
    return np.repeat(grey[:, :, None], 3, axis=2)


def _is_of_16_bits(image: Image.Image) -> bool:
    """Whether it is a file's whose pixels have 16 bits: those of PNG and PPM in mode I have, those of TIFF have 32."""
    return isinstance(image, ImageFile.ImageFile) and (image.mode != "I" or image.format in ("PNG", "PPM"))


def _is_real(value: object, mode: str) -> bool:
    """Whether it can come from the file's pixels; a text chunk of a PNG may be called `transparency` too."""
    if mode in ("RGB", "RGBX"):
        return isinstance(value, tuple) and len(value) == 3
    return isinstance(value, int) or (mode == "P" and isinstance(value, bytes))
