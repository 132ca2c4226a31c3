"""Encoded images to uint8 pixels of their own size: formats, limits, orientation, transparency.

Decisions a reader would question:
- A library sees a file's picture and none of its metadata (image_parts.py): only pixels decide whether pixels are read.
- Pillow's plugins are called without `Image.open`, because that warns about large images from every thread; our own
  limits are checked from the header, before any pixel is decoded. Some plugins look at Pillow's limit all the same, so
  that of the process, Image.MAX_IMAGE_PIXELS, is raised to ours where it is lower.
- Memory is bounded for all who decode at a time, by bytes and not by the number of pictures: see pixel_budget.py.
- JPEGs go through simplejpeg (libjpeg-turbo), whose words decide what is damaged (jpeg.py); all else through Pillow.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL import __version__ as pillow_version

from .image_error import ImageError, in_one_line
from .image_parts import TRUNCATED, Parts, avif_parts, webp_parts
from .jpeg import decode_jpeg
from .jpeg_segments import read_header
from .limits import DEFAULT_LIMITS, Limits
from .orientation import image_orientation, upright
from .pillow_pixels import bytes_a_pixel, has_last_row, rgb_pixels
from .pixel_budget import PIXEL_BUDGET, give_back_freed
from .png_parts import png_parts
from .signatures import heif_kind, name_of_unread
from .tiff_parts import tiff_parts

Pixels = npt.NDArray[np.uint8]

DECODER = 2
"""Version of what files become, for those who keep pixels: raised whenever other files are read than before, or other
pixels come of one."""
PLACEHOLDER = "1x1 pixels: a placeholder, not a picture"
"""Why a picture of one pixel is refused."""
_TILE_SIDES = (322, 323)
"""Tags of a TIFF: width and length of a tile."""
_LARGE_BYTES = 64 * 2**20
"""Of a picture in Pillow's memory: giving it back to the system costs some milliseconds."""

_PARTS: dict[str, Callable[[bytes], Parts]] = {
    "PNG": png_parts,
    "WEBP": webp_parts,
    "TIFF": tiff_parts,
    "AVIF": avif_parts,
}


def decode_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Decode an encoded image to uint8 [h, w, 3]: orientation applied, alpha over white, first frame, 8 bits.

    Raises:
        ImageError: empty, over or under a limit, not an image, rows missing, or damage that a decoder complains of.
    """
    with decoded(data, limits) as pixels:
        return pixels


@contextmanager
def decoded(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Iterator[Pixels]:
    """The pixels as `decode_image` gives them; until the end of the context they are counted as in flight.

    Waits, before any pixel is decoded, until the process has room for them (artifact/images/pixel_budget.py).
    """
    opened = _open(data, limits)
    num_bytes, by_pillow = opened.num_bytes, opened.format != "JPEG"
    with PIXEL_BUDGET.hold(num_bytes):
        pixels = _decoded(opened)
        del opened  # which holds the pixels too
        if by_pillow and num_bytes >= _LARGE_BYTES:
            give_back_freed()
        yield pixels


def inspect_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[str, int, int]:
    """Format name, width and height in pixels, from the header alone; raises ImageError as `load_pixels` would."""
    opened = _open(data, limits)
    return opened.format, opened.width, opened.height


def require_within(data: bytes, limits: Limits) -> None:
    """Raise ImageError for an image that is over a limit; what cannot be read is left to whoever decodes it."""
    _require(limits.refuse_bytes(len(data)))
    try:
        opened = _read_header(data, limits)
    except ImageError:
        return
    _require(limits.refuse_pixels(opened.num_pixels, opened.shape))


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A file whose header was read, and how it is decoded.

    Attributes:
        format: Pillow's name.
        width, height: in pixels, before it is turned.
        num_pixels, shape: decoded at once, and that in words; a TIFF's tile may be larger than its picture.
        bytes_a_pixel: at the peak of decoding and resizing, copies included; measured, see docs/decisions/0016.
        decode: gives the pixels.
    """

    format: str
    width: int
    height: int
    num_pixels: int
    shape: str
    bytes_a_pixel: int
    decode: Callable[[], Pixels]

    @property
    def num_bytes(self) -> int:
        """Memory that the pixels take at the peak."""
        return self.num_pixels * self.bytes_a_pixel


def _open(data: bytes, limits: Limits) -> _Opened:
    """Read the header and check it against the limits; no pixel is decoded."""
    if not data:
        raise ImageError("empty (0 bytes)")
    _require(limits.refuse_bytes(len(data)))
    opened = _read_header(data, limits)
    _require(limits.refuse_pixels(opened.num_pixels, opened.shape))
    if (opened.width, opened.height) == (1, 1):
        raise ImageError(PLACEHOLDER)
    return opened


def _require(reason: str | None) -> None:
    if reason is not None:
        raise ImageError(reason)


def _read_header(data: bytes, limits: Limits) -> _Opened:
    """Find the format by the first bytes and read its header."""
    name = _format_of(data, limits)
    try:
        return _open_jpeg(data) if name == "JPEG" else _open_by_pillow(name, data)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:  # beyond twice MAX_IMAGE_PIXELS, in formats whose plugin looks
        num_pixels = int(next(iter(re.findall(r"\d+", str(error))), limits.max_pixels + 1))
        raise ImageError(str(limits.refuse_pixels(num_pixels))) from None
    except Exception as error:  # any exception is a plugin's way to say no
        raise ImageError(f"not a readable {name} image: {in_one_line(error)}") from None


def _decoded(opened: _Opened) -> Pixels:
    try:
        return opened.decode()
    except ImageError:
        raise
    except Exception as error:  # decoders of hostile bytes raise anything: OSError, struct.error, IndexError ...
        raise ImageError(f"cannot be decoded: {in_one_line(error)}") from None


def _format_of(data: bytes, limits: Limits) -> str:
    """Pillow's name of the format."""
    name = _accepted(data, limits)
    # only files of these begin like others that are not read; the long look is not for every small picture
    if name in (None, "TIFF", "AVIF") or data[4:8] == b"ftyp":
        unread = name_of_unread(data)
        if unread is not None:
            raise ImageError(unread)
    if name is None:
        # without AVIF, as it was before: a bad row of an earlier job keeps its reason to the letter
        formats = ", ".join(name for name in limits.formats if name != "AVIF")
        raise ImageError(f"not an image in any of {formats} (starts with {bytes(data[:8])!r})")
    return name


def _accepted(data: bytes, limits: Limits) -> str | None:
    """The format whose plugin takes the first bytes."""
    Image.preinit()
    if Image.MAX_IMAGE_PIXELS is not None and limits.max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limits.max_pixels
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
    return None


def _open_jpeg(data: bytes) -> _Opened:
    header = read_header(data)

    def decode() -> Pixels:
        return upright(decode_jpeg(data, header), header.orientation)

    return _Opened(
        format="JPEG",
        width=header.width,
        height=header.height,
        num_pixels=header.width * header.height,
        shape=f"{header.width}x{header.height}",
        bytes_a_pixel=10 if header.num_components < 4 else 14,
        decode=decode,
    )


def _open_by_pillow(name: str, data: bytes) -> _Opened:
    parts = _PARTS[name](data) if name in _PARTS else Parts(data=data)
    image = _plugin_image(name, parts.data)
    # what a large file was written anew to is let go of while it waits
    whole, is_cut, orientation, require_rows = parts.whole, parts.is_cut, parts.orientation, parts.require_rows
    kept = image if whole is None else None

    def decode() -> Pixels:
        if is_cut:
            raise ValueError(TRUNCATED)
        image = kept or _plugin_image(name, whole() if whole else data)
        image.load()
        if require_rows is not None and not has_last_row(image):
            require_rows()
        return upright(rgb_pixels(image), image_orientation(image) if orientation is None else orientation)

    num_pixels, shape = _num_pixels(image)
    width, height = image.size
    # two formats' libraries hold the whole picture themselves, and some files are written anew
    copy = len(data) // max(num_pixels, 1) if name in _PARTS else 0
    own_bytes = bytes_a_pixel(image) + (8 if name in ("WEBP", "AVIF") else 0)
    if kept is None and len(data) >= _LARGE_BYTES // 16:
        del image, parts
        give_back_freed()
    return _Opened(
        format=name,
        width=width,
        height=height,
        num_pixels=num_pixels,
        shape=shape,
        bytes_a_pixel=own_bytes + copy,
        decode=decode,
    )


def _num_pixels(image: ImageFile.ImageFile) -> tuple[int, str]:
    sizes = [(image.width, image.height, "")]
    tags = getattr(image, "tag_v2", {})
    tile_width, tile_height = (tags.get(tag) for tag in _TILE_SIDES)
    if isinstance(tile_width, int) and isinstance(tile_height, int):
        sizes.append((tile_width, tile_height, "tiles of "))
    width, height, what = max(sizes, key=lambda size: size[0] * size[1])
    return width * height, f"{what}{width}x{height}"


def _plugin_image(name: str, data: bytes | io.BytesIO) -> ImageFile.ImageFile:
    image = Image.OPEN[name][0](data if isinstance(data, io.BytesIO) else io.BytesIO(data), "")
    assert isinstance(image, ImageFile.ImageFile)
    return image
