"""Encoded images to uint8 pixels of their own size: formats, limits, orientation, transparency.

Decisions a reader would question:
- Pillow's plugins are called without `Image.open`, because that warns about large images from every thread; our own
  limits are checked from the header, before any pixel is decoded. Some plugins look at Pillow's limit all the same, so
  that of the process, Image.MAX_IMAGE_PIXELS, is raised to ours where it is lower.
- Memory is bounded for all who decode at a time, by bytes and not by the number of pictures: see pixel_budget.py.
- RGB and grey JPEGs go through simplejpeg (libjpeg-turbo); whatever it does not like is left to Pillow, which decides.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageFile

from .limits import DEFAULT_LIMITS, Limits
from .pixel_budget import PIXEL_BUDGET, give_back_freed

Pixels = npt.NDArray[np.uint8]

_EXIF_ORIENTATION = 0x0112
_TILE_SIDES = (322, 323)
"""Tags of a TIFF: width and length of a tile."""
_LARGE_BYTES = 64 * 2**20
"""Of a picture in Pillow's memory: giving it back to the system costs some milliseconds."""


class ImageError(ValueError):
    """An image that cannot become pixels; `str()` is the reason alone, the caller knows which image it was."""


def decode_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Decode an encoded image to uint8 [h, w, 3]: EXIF orientation applied, alpha over white, first frame, 8 bits."""
    with decoded(data, limits) as pixels:
        return pixels


@contextmanager
def decoded(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Iterator[Pixels]:
    """The pixels as `decode_image` gives them; until the end of the context they are counted as in flight.

    Waits, before any pixel is decoded, until the process has room for them (artifact/pixel_budget.py).
    """
    image = _open_header(data, limits)
    num_bytes, by_pillow = _num_pixels(image)[0] * _bytes_a_pixel(image), not _is_plain_jpeg(image)
    with PIXEL_BUDGET.hold(num_bytes):
        pixels = _decode(image, data)
        del image  # which holds the pixels too
        if by_pillow and num_bytes >= _LARGE_BYTES:
            give_back_freed()
        yield pixels


def inspect_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[str, int, int]:
    """Format name, width and height in pixels, from the header alone; raises ImageError as `load_pixels` would."""
    image = _open_header(data, limits)
    return str(image.format), image.width, image.height


def require_within(data: bytes, limits: Limits) -> None:
    """Raise ImageError for an image that is over a limit; what cannot be read is left to whoever decodes it."""
    _require(limits.refuse_bytes(len(data)))
    try:
        image = _plugin_image(data, limits)
    except ImageError:
        return
    _require_pixels(image, limits)


def _is_plain_jpeg(image: ImageFile.ImageFile) -> bool:
    """Whether simplejpeg decodes it."""
    return image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")


def _bytes_a_pixel(image: ImageFile.ImageFile) -> int:
    """Bytes a pixel at the peak of decoding and resizing, copies included; measured, see docs/decisions/0016."""
    if _is_plain_jpeg(image):
        return 10
    is_deep = image.mode.startswith("I") or "A" in image.mode.upper() or "transparency" in image.info
    # these two formats' libraries hold the whole picture themselves
    return (20 if is_deep else 14) + (8 if image.format in ("WEBP", "AVIF") else 0)


def _decode(image: ImageFile.ImageFile, data: bytes) -> Pixels:
    if _is_plain_jpeg(image):
        try:
            return _upright(simplejpeg.decode_jpeg(data, colorspace="RGB"), _exif_orientation(image))
        except ValueError:  # strict about warnings that Pillow rightly passes over: let Pillow decide
            pass
    try:
        image.load()
        return _upright(_to_rgb(image), _exif_orientation(image))
    except ImageError:
        raise
    except Exception as error:  # decoders of hostile bytes raise anything: OSError, struct.error, IndexError ...
        raise ImageError(f"cannot be decoded: {_one_line(error)}") from None


def _open_header(data: bytes, limits: Limits) -> ImageFile.ImageFile:
    """Find the plugin by the first bytes, read the header, check it against the limits; no pixel is decoded."""
    if not data:
        raise ImageError("empty (0 bytes)")
    _require(limits.refuse_bytes(len(data)))
    image = _plugin_image(data, limits)
    _require_pixels(image, limits)
    if image.size == (1, 1):
        raise ImageError("1x1 pixels: a placeholder, not a picture")
    return image


def _require_pixels(image: ImageFile.ImageFile, limits: Limits) -> None:
    _require(limits.refuse_pixels(*_num_pixels(image)))


def _num_pixels(image: ImageFile.ImageFile) -> tuple[int, str]:
    """Pixels that are decoded at once, and their shape in words; a TIFF's tile may be larger than its picture."""
    sizes = [(image.width, image.height, "")]
    tags = getattr(image, "tag_v2", {})
    tile_width, tile_height = (tags.get(tag) for tag in _TILE_SIDES)
    if isinstance(tile_width, int) and isinstance(tile_height, int):
        sizes.append((tile_width, tile_height, "tiles of "))
    width, height, what = max(sizes, key=lambda size: size[0] * size[1])
    return width * height, f"{what}{width}x{height}"


def _require(reason: str | None) -> None:
    if reason is not None:
        raise ImageError(reason)


def _plugin_image(data: bytes, limits: Limits) -> ImageFile.ImageFile:
    Image.preinit()
    if Image.MAX_IMAGE_PIXELS is not None and limits.max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limits.max_pixels
    for name in limits.formats:
        if name not in Image.OPEN:
            Image.init()
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is None or (accept is not None and accept(data[:16]) is not True):
            continue
        try:
            return factory(io.BytesIO(data), "")
        except Image.DecompressionBombError as error:  # beyond twice MAX_IMAGE_PIXELS, in formats whose plugin looks
            num_pixels = int(next(iter(re.findall(r"\d+", str(error))), limits.max_pixels + 1))
            raise ImageError(str(limits.refuse_pixels(num_pixels))) from None
        except Exception as error:  # any exception is a plugin's way to say no
            raise ImageError(f"not a readable {name} image: {_one_line(error)}") from None
    raise ImageError(f"not an image in any of {', '.join(limits.formats)} (starts with {bytes(data[:8])!r})")


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):
        return _grey16(image)
    if image.mode == "F":
        raise ImageError("32-bit float pixels are not supported; save as 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = _as_mode(image, "RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
    return np.asarray(_as_mode(image, "RGB"))


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image itself where it is of that mode: Pillow's convert would copy all of its pixels."""
    return image if image.mode == mode else image.convert(mode)


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
