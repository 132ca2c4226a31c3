"""Encoded images to uint8 pixels of their own size: formats, limits, orientation, transparency.

Decisions a reader would question:
- A library sees a file's picture and none of its metadata (image_parts.py): only pixels decide whether pixels are read.
- Pillow's plugins are called without `Image.open`, because that warns about large images from every thread; our own
  limits are checked from the header, before any pixel is decoded.
- JPEGs go through simplejpeg (libjpeg-turbo), whose words decide what is damaged (jpeg.py); all else through Pillow.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL import __version__ as pillow_version

from .image_error import ImageError as ImageError  # for all who import it from here
from .image_parts import Parts, avif_parts, webp_parts
from .jpeg import decode_jpeg
from .jpeg_segments import read_header
from .orientation import image_orientation, upright
from .pillow_pixels import rgb_pixels
from .png_parts import png_parts
from .signatures import heif_kind, name_of_unread
from .tiff_parts import tiff_parts

Pixels = npt.NDArray[np.uint8]

_PARTS: dict[str, Callable[[bytes], Parts]] = {
    "PNG": png_parts,
    "WEBP": webp_parts,
    "TIFF": tiff_parts,
    "AVIF": avif_parts,
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Largest files and pictures; larger ones are refused from the header alone, before decoding.

    Attributes:
        max_bytes: size of the encoded image in bytes.
        max_pixels: width x height; the default of 2**26 takes a 64-megapixel photograph.
        max_frames: frames of an animation or pages of a TIFF (only the first is read).
        min_side_px: shortest side; a 1x1 image is a placeholder, not a picture.
        formats: Pillow's names of the accepted formats.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 2**26
    max_frames: int = 1000
    min_side_px: int = 2
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")

    def to_dict(self) -> dict[str, Any]:
        """The mapping that `from_dict` reads; plain JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Limits:
        """Read the mapping that `to_dict` wrote; keys of a later version are left alone."""
        known: dict[str, Any] = {
            key: tuple(values[key]) if isinstance(values[key], list) else values[key]
            for key in cls.__dataclass_fields__
            if key in values
        }
        return cls(**known)


DEFAULT_LIMITS = Limits()

DECODER = 2
"""Raised whenever other files are read than before, or other pixels come of one: what was decoded before is too old."""


def decode_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Decode an encoded image to uint8 [h, w, 3]: orientation applied, alpha over white, first frame, 8 bits.

    Raises:
        ImageError: empty, over or under a limit, not an image, rows missing, or damage that a decoder complains of.
    """
    opened = _open(data, limits)
    try:
        return opened.decode()
    except ImageError:
        raise
    except Exception as error:  # decoders of hostile bytes raise anything: OSError, struct.error, IndexError ...
        raise ImageError(f"cannot be decoded: {_one_line(error)}") from None


def inspect_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[str, int, int]:
    """Format name, width and height in pixels, from the header alone; raises ImageError as `load_pixels` would."""
    opened = _open(data, limits)
    return opened.format, opened.width, opened.height


def image_pixels(image: Image.Image, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """uint8 [h, w, 3] of a Pillow image of any mode: the pixels that its file would give.

    One that was opened and not loaded yet is read from its file as any other file is.

    Raises:
        ImageError: closed, cut short, too small, or of a mode that has no pixels of 8 or 16 bits.
    """
    try:
        if min(image.size) < limits.min_side_px:
            raise ImageError(_too_small(*image.size, limits))
        data = _unread_file(image)
        if data:
            pixels = decode_image(data, limits)
            _close_file(image)
            return pixels
        image.load()
        return upright(rgb_pixels(image), image_orientation(image))
    except ImageError:
        raise
    except Exception as error:  # a lazy image is decoded here, see above
        raise ImageError(f"cannot be decoded: {_one_line(error)}") from None


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


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A file whose header was read: its format, its size in pixels before it is turned, and how it is decoded."""

    format: str
    width: int
    height: int
    decode: Callable[[], Pixels]


def _open(data: bytes, limits: Limits) -> _Opened:
    """Find the format by the first bytes, read the header, check it against the limits; no pixel is decoded."""
    if not data:
        raise ImageError("empty (0 bytes)")
    if len(data) > limits.max_bytes:
        raise ImageError(f"{len(data)} bytes, over the limit of {limits.max_bytes}")
    name = _format_of(data, limits)
    try:
        image: ImageFile.ImageFile | None = None
        if name == "JPEG":
            opened = _open_jpeg(data)
        else:
            opened, image = _open_by_pillow(name, data)
    except ImageError:
        raise
    except Exception as error:  # any exception is a plugin's way to say no
        raise ImageError(f"not a readable {name} image: {_one_line(error)}") from None
    width, height = opened.width, opened.height
    if width * height > limits.max_pixels:
        raise ImageError(f"{width}x{height} pixels, over the limit of {limits.max_pixels / 1e6:.0f} megapixels")
    if min(width, height) < limits.min_side_px:
        raise ImageError(_too_small(width, height, limits))
    try:
        frames = int(getattr(image, "n_frames", 1))
    except Exception as error:  # walking the frames of a broken animation
        raise ImageError(f"cannot be decoded: {_one_line(error)}") from None
    if frames > limits.max_frames:
        raise ImageError(f"{frames} frames, over the limit of {limits.max_frames}")
    return opened


def _format_of(data: bytes, limits: Limits) -> str:
    """Pillow's name of the format."""
    unread = name_of_unread(data)
    if unread is not None:
        raise ImageError(unread)
    Image.preinit()
    for name in limits.formats:
        if name not in Image.OPEN:
            Image.init()
        accept = Image.OPEN.get(name, (None, None))[1]
        if name == "AVIF" and heif_kind(data) == name:
            if accept is None or accept(data[:16]) is not True:
                raise ImageError(
                    f"an AVIF image, which Pillow {pillow_version} here cannot read; install Pillow 11.3 on"
                )
            return name
        if accept is not None and accept(data[:16]) is True:
            return name
    # without AVIF, as it was before: a bad row of an earlier job keeps its reason to the letter
    formats = ", ".join(name for name in limits.formats if name != "AVIF")
    raise ImageError(f"not an image in any of {formats} (starts with {bytes(data[:8])!r})")


def _open_jpeg(data: bytes) -> _Opened:
    header = read_header(data)

    def decode() -> Pixels:
        return upright(decode_jpeg(data, header), header.orientation)

    return _Opened(format="JPEG", width=header.width, height=header.height, decode=decode)


def _open_by_pillow(name: str, data: bytes) -> tuple[_Opened, ImageFile.ImageFile]:
    parts = _PARTS[name](data) if name in _PARTS else Parts(data=data)
    image = _plugin_image(name, parts.data)

    def decode() -> Pixels:
        whole = image if parts.mended is None else _plugin_image(name, parts.mended())
        whole.load()
        pixels = rgb_pixels(whole)
        return upright(pixels, image_orientation(whole) if parts.orientation is None else parts.orientation)

    return _Opened(format=name, width=image.width, height=image.height, decode=decode), image


def _plugin_image(name: str, data: bytes) -> ImageFile.ImageFile:
    image = Image.OPEN[name][0](io.BytesIO(data), "")
    assert isinstance(image, ImageFile.ImageFile)
    return image


def _too_small(width: int, height: int, limits: Limits) -> str:
    return f"{width}x{height} pixels, under the limit of {limits.min_side_px} px a side"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
