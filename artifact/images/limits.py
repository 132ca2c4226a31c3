"""Limits of encoded images: the largest file and picture that are taken, and the refusal of what is larger.

Decisions a reader would question:
- A refusal names the option that raises the limit, in the words of whoever reads it: of a limit of a server those who
  publish or serve the model. The option's unit is the refusal's.
- What is not read has no limit: of an animation the first frame is, so its frames are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

MEGAPIXEL = 1_000_000
MB = 2**20
DEFAULT_MAX_MEGAPIXELS = 128.0
DEFAULT_MAX_IMAGE_MB = 64.0
MAX_LIMIT = 1_000_000.0
"""Of either option, in its unit: more is a mistake."""
MEGAPIXELS_OPTION, IMAGE_MB_OPTION = "--max-megapixels", "--max-image-mb"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Largest files and pictures; larger ones are refused before they are read, or from their header.

    Attributes:
        max_bytes: size of the encoded image in bytes.
        max_pixels: width x height; the default takes a photograph of 128 megapixels.
        formats: Pillow's names of the accepted formats.
        of_server: the limits are a server's, so those who send it images cannot raise them.
    """

    max_bytes: int = int(DEFAULT_MAX_IMAGE_MB * MB)
    max_pixels: int = int(DEFAULT_MAX_MEGAPIXELS * MEGAPIXEL)
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
    of_server: bool = False

    @classmethod
    def of(cls, *, max_megapixels: float, max_image_mb: float, of_server: bool = False) -> Limits:
        """The limits that the two options say: width x height in millions, file size in units of 2**20 bytes."""
        return cls(max_bytes=in_bytes(max_image_mb), max_pixels=in_pixels(max_megapixels), of_server=of_server)

    def with_options(self, *, max_megapixels: float | None = None, max_image_mb: float | None = None) -> Limits:
        """The limits with those of the two options that are given."""
        given = Limits.of(
            max_megapixels=DEFAULT_MAX_MEGAPIXELS if max_megapixels is None else max_megapixels,
            max_image_mb=DEFAULT_MAX_IMAGE_MB if max_image_mb is None else max_image_mb,
        )
        return replace(
            self,
            max_pixels=self.max_pixels if max_megapixels is None else given.max_pixels,
            max_bytes=self.max_bytes if max_image_mb is None else given.max_bytes,
        )

    def to_dict(self) -> dict[str, Any]:
        """The mapping that `from_dict` reads; plain JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Limits:
        """Read the mapping that `to_dict` wrote; keys of a later version, and of an earlier one, are left alone."""
        known: dict[str, Any] = {
            key: tuple(values[key]) if isinstance(values[key], list) else values[key]
            for key in cls.__dataclass_fields__
            if key in values
        }
        return cls(**known)

    def refuse_bytes(self, num_bytes: int) -> str | None:
        """Why a file of this size is not taken; None where it is."""
        if num_bytes <= self.max_bytes:
            return None
        return too_many_bytes(num_bytes, self.max_bytes, of_server=self.of_server)

    def refuse_pixels(self, num_pixels: int, shape: str = "") -> str | None:
        """Why a picture of so many pixels is not taken, its shape in words if that is known; None where it is."""
        if num_pixels <= self.max_pixels:
            return None
        size = f"{shape or num_pixels} pixels ({_rounded_up(num_pixels / MEGAPIXEL)} megapixels)"
        limit = f"{self.max_pixels / MEGAPIXEL:.10g} megapixels"
        return _refusal(size, limit, MEGAPIXELS_OPTION, self.of_server)


DEFAULT_LIMITS = Limits()
SERVER_LIMITS = Limits(of_server=True)


def in_bytes(max_image_mb: float) -> int:
    """The limit that an option in units of 2**20 bytes says, rounded up."""
    return math.ceil(max_image_mb * MB)


def in_pixels(max_megapixels: float) -> int:
    """The limit that an option in megapixels says."""
    return round(max_megapixels * MEGAPIXEL)


def too_many_bytes(num_bytes: int, max_bytes: int, *, where: str = "", of_server: bool = False) -> str:
    """Why a file of more than `max_bytes` is not taken; `where` names it.

    One byte more is what those have who stop reading there, so it is told as a file whose size nobody knows.
    """
    if max_bytes < MB // 10:
        size, limit = f"{num_bytes} bytes", f"{max_bytes} bytes"
    else:
        size, limit = size_in_words(num_bytes), f"{math.floor(max_bytes / MB * 1e5) / 1e5:.10g} MB"
    known = size if num_bytes > max_bytes + 1 else ""
    return _refusal(known, limit, IMAGE_MB_OPTION, of_server) + (f": {where}" if where else "")


def size_in_words(num_bytes: int) -> str:
    """The size of a file: "3.2 MB", in bytes where it is small."""
    return f"{num_bytes} bytes" if num_bytes < MB // 10 else f"{_rounded_up(num_bytes / MB)} MB"


def _refusal(size: str, limit: str, option: str, of_server: bool) -> str:
    whose, mend = ("limit", f"raise it with {option}")
    if of_server:
        whose, mend = ("server's limit", f"{mend} where the model is published or served")
    return f"{size}{', ' if size else ''}over the {whose} of {limit}; {mend}"


def _rounded_up(value: float) -> str:
    """To a tenth, so that what is over a limit does not look like it."""
    return f"{math.ceil(value * 10) / 10:.10g}"
