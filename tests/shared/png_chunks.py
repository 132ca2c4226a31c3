"""PNG files put together chunk by chunk, and chunks put into PNG files that are there."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    """A chunk; its checksum right, or as asked."""
    right = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", right if crc is None else crc)


def raw_png(
    width: int, height: int, *, bits: int, color: int, rows: bytes, chunks: Sequence[bytes] = (), interlace: int = 0
) -> bytes:
    """A file of rows as they are unpacked, each with its filter byte; `chunks` stand before the picture data."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlace)
    data = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(data)


def with_chunk(png: bytes, name: bytes, body: bytes, *, crc: int | None = None, before: bytes = b"IDAT") -> bytes:
    """The file with a chunk more, before the first of a name."""
    at = png.index(before) - 4
    return png[:at] + chunk(name, body, crc=crc) + png[at:]


def with_wrong_crc(png: bytes, name: bytes) -> bytes:
    """The file with the checksum of the first chunk of a name turned over."""
    at = png.index(name)
    end = at + 4 + int.from_bytes(png[at - 4 : at], "big")
    return png[:end] + bytes(byte ^ 0xFF for byte in png[end : end + 4]) + png[end + 4 :]


def without_checksums(png: bytes) -> bytes:
    """The file cut behind the last row: without the checksums of the picture data and the end."""
    at = png.index(b"IDAT")
    return png[: at + 4 + int.from_bytes(png[at - 4 : at], "big") - 4]
