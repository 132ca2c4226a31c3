"""Encoded images to uint8 pixels of their own size: formats, limits, orientation, transparency.

Decisions a reader would question:
- Pillow's plugins are called without `Image.open`, because that warns about large images from every thread; our own
  limits are checked from the header, before any pixel is decoded.
- RGB and grey JPEGs go through simplejpeg (libjpeg-turbo); whatever it does not like is left to Pillow, which decides.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageFile, ImageOps

Pixels = npt.NDArray[np.uint8]

_EXIF_ORIENTATION = 0x0112


class ImageError(ValueError):
    """An image that cannot become pixels; `str()` is the reason alone, the caller knows which image it was."""


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
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")

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


def decode_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Decode an encoded image to uint8 [h, w, 3]: EXIF orientation applied, alpha over white, first frame, 8 bits."""
    image = _open_header(data, limits)
    if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
        try:
            return _upright(simplejpeg.decode_jpeg(data, colorspace="RGB"), _exif_orientation(image))
        except ValueError:  # strict about warnings that Pillow rightly passes over: let Pillow decide
            pass
    try:
        image.load()
        return np.ascontiguousarray(_to_rgb(ImageOps.exif_transpose(image)))
    except ImageError:
        raise
    except Exception as error:  # decoders of hostile bytes raise anything: OSError, struct.error, IndexError ...
        raise ImageError(f"cannot be decoded: {_one_line(error)}") from None


def inspect_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[str, int, int]:
    """Format name, width and height in pixels, from the header alone; raises ImageError as `load_pixels` would."""
    image = _open_header(data, limits)
    return str(image.format), image.width, image.height


def _open_header(data: bytes, limits: Limits) -> ImageFile.ImageFile:
    """Find the plugin by the first bytes, read the header, check it against the limits; no pixel is decoded."""
    if not data:
        raise ImageError("empty (0 bytes)")
    if len(data) > limits.max_bytes:
        raise ImageError(f"{len(data)} bytes, over the limit of {limits.max_bytes}")
    image = _plugin_image(data, limits)
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageError(f"{width}x{height} pixels, over the limit of {limits.max_pixels / 1e6:.0f} megapixels")
    if min(width, height) < limits.min_side_px:
        raise ImageError(f"{width}x{height} pixels, under the limit of {limits.min_side_px} px a side")
    try:
        frames = int(getattr(image, "n_frames", 1))
    except Exception as error:  # walking the frames of a broken animation
        raise ImageError(f"cannot be decoded: {_one_line(error)}") from None
    if frames > limits.max_frames:
        raise ImageError(f"{frames} frames, over the limit of {limits.max_frames}")
    return image


def _plugin_image(data: bytes, limits: Limits) -> ImageFile.ImageFile:
    Image.preinit()
    for name in limits.formats:
        if name not in Image.OPEN:
            Image.init()
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is None or (accept is not None and accept(data[:16]) is not True):
            continue
        try:
            return factory(io.BytesIO(data), "")
        except Exception as error:  # any exception is a plugin's way to say no
            raise ImageError(f"not a readable {name} image: {_one_line(error)}") from None
    raise ImageError(f"not an image in any of {', '.join(limits.formats)} (starts with {bytes(data[:8])!r})")


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):
        return _grey16(image)
    if image.mode == "F":
        raise ImageError("32-bit float pixels are not supported; save as 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _grey16(image: Image.Image) -> Pixels:
    """16-bit grey scaled to 8 bits with rounding; Pillow's own convert clips everything above 255 to white."""
    values = np.asarray(image).astype(np.int64).clip(0, 65535)
    grey = ((values * 255 + 32767) // 65535).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _exif_orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # broken EXIF in a good image: treat as upright, as Pillow's own tools do
        return 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply EXIF orientation 2..8; anything else is upright already."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
