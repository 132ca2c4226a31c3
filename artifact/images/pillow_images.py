"""Pillow's images to uint8 pixels: those that their files would give.

Decision a reader would question: the limits hold for an image that Pillow has decoded already too. Whether it has is
chance to a caller, and what it costs is the copies that are made of it here.
"""

from __future__ import annotations

import contextlib

from PIL import Image, ImageFile

from .decoding import PLACEHOLDER, Pixels, decode_image
from .image_error import ImageError, in_one_line
from .limits import DEFAULT_LIMITS, Limits
from .orientation import image_orientation, upright
from .pillow_pixels import bytes_a_pixel, rgb_pixels
from .pixel_budget import PIXEL_BUDGET


def image_pixels(image: Image.Image, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """uint8 [h, w, 3] of a Pillow image of any mode: the pixels that its file would give.

    One that was opened and not loaded yet is read from its file as any other file is. Waits, as `decoded` does, until
    the process has room for the pixels.

    Raises:
        ImageError: closed, cut short, too small, over a limit, or of a mode that has no pixels of 8 or 16 bits.
    """
    try:
        if 0 in image.size or image.size == (1, 1):
            raise ImageError(PLACEHOLDER if all(image.size) else f"{image.width}x{image.height} pixels: empty")
        data = _unread_file(image)
        if data:
            pixels = decode_image(data, limits)
            _close_file(image)
            return pixels
        num_pixels = image.width * image.height
        reason = limits.refuse_pixels(num_pixels, f"{image.width}x{image.height}")
        if reason is not None:
            raise ImageError(reason)
        with PIXEL_BUDGET.hold(num_pixels * bytes_a_pixel(image)):
            image.load()
            return upright(rgb_pixels(image), image_orientation(image))
    except ImageError:
        raise
    except Exception as error:  # a lazy image is decoded here, see above
        raise ImageError(f"cannot be decoded: {in_one_line(error)}") from None


def _unread_file(image: Image.Image) -> bytes | None:
    """The file of an image that Pillow has not decoded yet; None where its pixels may be others than the file's."""
    if not isinstance(image, ImageFile.ImageFile) or not image.tile or image.fp is None or image.tell():
        return None
    if image.decoderconfig:  # a JPEG that is to be decoded at another size or mode
        return None
    place = image.fp.tell()
    image.fp.seek(0)
    data: bytes = image.fp.read()
    image.fp.seek(place)
    return data


def _close_file(image: Image.Image) -> None:
    """Load an image that was opened by its name: only then does Pillow let go of the file and keep the image usable."""
    if getattr(image, "_exclusive_fp", False):
        with contextlib.suppress(Exception):  # what Pillow refuses is no matter: the pixels are there
            image.load()
