"""A thumbnail: a small picture of a row, with the size and the content hash of the file that it was made from.

Decision a reader would question: one thumbnail is a JPEG and no WebP. At 64 px it is made in a fifth of the time, and
the 600 bytes of tables that every one begins with are next to nothing in a compressed column, where they are the same
in each. Many of them in one picture are WebP (sprites.py): docs/decisions/0038-pictures-of-a-table.md has the figures.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

from PIL import Image

from artifact.errors import UsageError
from artifact.images.decoding import Pixels, decode_image
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.images.shrunk import shrink_image, shrink_pixels
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.images import ImageRef
from rows.remote import always_wanted

LEAST_PX, MOST_PX = 16, 1024
QUALITY = 85


class Thumbnail:
    """One small picture; give its pixels or its encoded bytes, the other is made when it is asked for.

    Args:
        width, height: of the original in pixels, upright.
        sha256: of the original, in hex; see `content_hash`.
        pixels: uint8 [h, w, 3].
        data: a JPEG.
    """

    def __init__(
        self, *, width: int, height: int, sha256: str, pixels: Pixels | None = None, data: bytes | None = None
    ) -> None:
        self.width, self.height, self.sha256 = width, height, sha256
        self._pixels, self._data = pixels, data

    @classmethod
    def of_bytes(cls, data: bytes, px: int, limits: Limits = DEFAULT_LIMITS, *, sha256: str | None = None) -> Thumbnail:
        """Of an encoded image, at most `px` wide and high, never enlarged; raises ImageError.

        Args:
            sha256: of the data, where somebody knows it.
        """
        small = shrink_image(data, px, limits)
        digest = sha256 or hash_of_bytes(data)
        return cls(width=small.width, height=small.height, sha256=digest, pixels=small.pixels)

    @classmethod
    def of_pixels(cls, pixels: Pixels, px: int, *, sha256: str) -> Thumbnail:
        """Of the decoded pixels of an image, uint8 [h, w, 3]."""
        small = shrink_pixels(pixels, px)
        return cls(width=small.width, height=small.height, sha256=sha256, pixels=small.pixels)

    @property
    def pixels(self) -> Pixels:
        """uint8 [h, w, 3]."""
        if self._pixels is None:
            assert self._data is not None
            self._pixels = decode_image(self._data)
        return self._pixels

    @property
    def data(self) -> bytes:
        """The encoded picture, a JPEG."""
        if self._data is None:
            assert self._pixels is not None
            self._data = _jpeg(self._pixels)
        return self._data

    def within(self, px: int) -> Thumbnail:
        """The same, at most `px` wide and high."""
        if max(self.pixels.shape[:2]) <= px:
            return self
        small = shrink_pixels(self.pixels, px)
        return Thumbnail(width=self.width, height=self.height, sha256=self.sha256, pixels=small.pixels)

    def packed(self) -> Thumbnail:
        """The same without pixels in memory, for those who keep many."""
        return Thumbnail(width=self.width, height=self.height, sha256=self.sha256, data=self.data)


def require_px(px: int) -> None:
    """Raise UsageError unless it can be the side of a thumbnail."""
    if not LEAST_PX <= px <= MOST_PX:
        raise UsageError("side of a thumbnail", expected=f"{LEAST_PX} to {MOST_PX} px", got=str(px))


def hash_of_bytes(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def content_hash(
    image: ImageRef,
    limits: Limits = DEFAULT_LIMITS,
    *,
    timeout_s: float = DEFAULT_READ_TIMEOUT_S,
    is_wanted: Callable[[], bool] = always_wanted,
) -> str:
    """SHA-256 in hex of the file's bytes; of an array of pixels, and of a region's, of their shape and pixels.

    Raises ImageError where the file cannot be read; whether it is an image is asked of regions alone.
    """
    if image.region is not None:
        image = region_pixels(image, limits, timeout_s=timeout_s, is_wanted=is_wanted)
    if image.digest is not None:
        return image.digest.hex()
    return hash_of_bytes(image.read(limits.max_bytes, timeout_s=timeout_s, is_wanted=is_wanted))


def region_pixels(
    image: ImageRef,
    limits: Limits = DEFAULT_LIMITS,
    *,
    timeout_s: float = DEFAULT_READ_TIMEOUT_S,
    is_wanted: Callable[[], bool] = always_wanted,
) -> ImageRef:
    """The crop of a region as an array of pixels; any other image as it is. Raises ImageError."""
    if image.region is None:
        return image
    crop = image.own_pixels()
    if crop is None:
        crop = image.decode(image.whole.read(limits.max_bytes, timeout_s=timeout_s, is_wanted=is_wanted), limits)
    return ImageRef.of_pixels(crop)


def _jpeg(pixels: Pixels) -> bytes:
    """The pixels as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
