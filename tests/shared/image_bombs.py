"""Image bombs: files of a few bytes whose headers, or packed parts, stand for gigabytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.shared.pictures import encode
from tests.shared.png_chunks import with_chunk


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    data = bytearray(encode(Image.new("P", (4, 4)), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)  # the logical screen
    return bytes(data)


def tiff(width: int, height: int) -> bytes:
    data = bytearray(encode(Image.new("1", (4, 4)), "TIFF"))
    (start,) = struct.unpack("<I", data[4:8])
    (entries,) = struct.unpack("<H", data[start : start + 2])
    for entry in range(start + 2, start + 2 + 12 * entries, 12):
        (tag,) = struct.unpack("<H", data[entry : entry + 2])
        if tag in (256, 257):
            data[entry : entry + 12] = struct.pack("<HHII", tag, 4, 1, width if tag == 256 else height)
    return bytes(data)


def tiled_tiff(tile_px: int) -> bytes:
    entries = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile_px, 323: tile_px, 324: 134, 325: 30}
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + zlib.compress(bytes(100)) + bytes(40)


def wide_frame() -> bytes:
    data = encode(Image.new("P", (4, 4)), "GIF")
    return data.replace(b",\0\0\0\0\4\0\4\0", b",\0\0\0\0\xff\xff\xff\xff")


def jpeg(width: int, height: int, *, progressive: bool = False) -> bytes:
    data = bytearray(encode(Image.new("RGB", (16, 16)), "JPEG", progressive=progressive))
    start = data.find(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def webp(width: int, height: int) -> bytes:
    data = bytearray(encode(Image.new("RGB", (16, 16), (3, 4, 5)), "WEBP", lossless=True))
    start = data.find(b"VP8L") + 9
    (bits,) = struct.unpack("<I", data[start : start + 4])
    data[start : start + 4] = struct.pack("<I", bits >> 28 << 28 | width - 1 | height - 1 << 14)
    return bytes(data)


def bmp(width: int, height: int) -> bytes:
    data = bytearray(encode(Image.new("1", (4, 4)), "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


BOMBS: dict[str, Callable[[], bytes]] = {
    "png": lambda: png(50_000, 50_000),
    "gif": lambda: gif(65_535, 65_535),
    "tiff": lambda: tiff(50_000, 50_000),
    "tile of a tiff": lambda: tiled_tiff(40_000),
    "frame of a gif": wide_frame,
    "jpeg": lambda: jpeg(65_000, 65_000),
    "progressive jpeg": lambda: jpeg(65_000, 65_000, progressive=True),
    "webp": lambda: webp(16_383, 16_383),
    "bmp": lambda: bmp(50_000, 50_000),
    "ppm": lambda: b"P6 50000 50000 255\n" + bytes(99),
}


def packed_parts(num_bytes: int) -> dict[str, bytes]:
    """{name: small picture beside which, packed, so many zeros lie}, which are no part of it."""
    small, zeros = encode(Image.new("RGB", (16, 16), (1, 2, 3)), "PNG"), zlib.compress(bytes(num_bytes), 9)
    before = {b"zTXt": b"a\0\0", b"iCCP": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"IDAT": b""}
    return {f"png, {name.decode()}": with_chunk(small, name, head + zeros) for name, head in before.items()}
