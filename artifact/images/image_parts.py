"""Parts of an image file that its pixels are made of: what is left when all metadata is taken out.

A file is written anew from those parts before a library sees it. So text, colour profiles, broken checksums of chunks
that nobody needs, later frames and a cut behind the picture cannot decide whether the picture is read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

from .orientation import stored_orientation

TRUNCATED = "image file is truncated"
LARGE_FILE = 2**20
"""From so many bytes on a file is not kept twice while it waits for its turn."""
_WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04
_AVIF_METADATA = re.compile(rb"(infe\x02.{7}|infe\x03.{9})(Exif|mime)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A file without its metadata.

    Attributes:
        data: the file, or its header.
        orientation: 1..8 as the metadata tells it; None: the library that decodes it knows.
        whole: gives the file to decode instead of `data`, once its size is known to be within the limits and there is
            room for its pixels, or raises ValueError where rows are missing; None: `data` is as it should be.
        is_cut: bytes of the picture are missing, of which the library would not tell.
        require_rows: raises ValueError where rows are missing; only asked where the last row came out as zeros, which
            is what memory holds that no row was decoded into. None: the library tells by itself.
    """

    data: bytes | io.BytesIO
    orientation: int | None = None
    whole: Callable[[], bytes] | None = None
    is_cut: bool = False
    require_rows: Callable[[], None] | None = None


def webp_parts(data: bytes) -> Parts:
    """Of a WebP file: its picture, or the first frame of its animation."""
    kept: list[bytes] = []
    exif = xmp = None
    has_picture = False
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        is_cut = len(body) < size
        if name == b"EXIF" and not is_cut:
            exif = body
        elif name == b"XMP " and not is_cut:
            xmp = body
        elif name in (b"VP8X", b"ANIM", b"ALPH", b"ANMF", b"VP8 ", b"VP8L") and not has_picture:
            if is_cut:
                raise ValueError(TRUNCATED)
            if name == b"VP8X" and body:
                body = bytes([body[0] & ~_WEBP_METADATA_FLAGS]) + body[1:]
            kept.append(name + size.to_bytes(4, "little") + body + bytes(size % 2))
            has_picture = name in (b"ANMF", b"VP8 ", b"VP8L")
        at += 8 + size + size % 2
    if not has_picture:
        raise ValueError(TRUNCATED if at > len(data) else "no picture in it")
    chunks = b"WEBP" + b"".join(kept)
    return Parts(
        data=b"RIFF" + len(chunks).to_bytes(4, "little") + chunks,
        orientation=stored_orientation(exif, xmp),
        whole=(lambda: _bytes(webp_parts(data))) if len(data) >= LARGE_FILE else None,
    )


def avif_parts(data: bytes) -> Parts:
    """Of an AVIF file: all, but EXIF and XMP under names that nobody reads; its own boxes say how it is turned."""
    at = data.find(b"meta", 0, 4096)
    if at < 4:
        return Parts(data=data)
    end = at - 4 + int.from_bytes(data[at - 4 : at], "big")
    return Parts(
        data=data[:at] + _AVIF_METADATA.sub(rb"\1skip", data[at:end]) + data[max(at, end) :],
        whole=(lambda: _bytes(avif_parts(data))) if len(data) >= LARGE_FILE else None,
    )


def _bytes(parts: Parts) -> bytes:
    assert isinstance(parts.data, bytes)
    return parts.data
