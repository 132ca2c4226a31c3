"""Parts of a PNG file that its pixels are made of: header, palette, transparency, picture data.

Decisions a reader would question (docs/decisions/0015-what-a-decoder-complains-of.md):
- A wrong checksum of header or palette is damage, as browsers have it. Picture data carry two checksums: where that of
  the chunk is wrong and that of the unpacked rows is right, every pixel is as it was written.
- Text never turns or fades a picture, whatever it is called: eXIf and tRNS alone do.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .image_error import ImageError
from .image_parts import LARGE_FILE, TRUNCATED, Parts
from .orientation import stored_orientation

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = frozenset([b"PLTE", b"tRNS", b"eXIf", b"IDAT"])
_PALETTE = 3
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced picture: first column, first row, step of columns, step of rows."""
_AT_ONCE = 1 << 20


def png_parts(data: bytes) -> Parts:
    """Of a PNG or APNG file: its picture; ValueError where header or palette are damaged or there is no picture."""
    header = _Header.read(data)
    kept = [_chunk(b"IHDR", data[16:29])]
    rows: list[memoryview] = []
    exif, num_colours = None, 0
    is_cut = is_doubtful = False
    at = 33
    view = memoryview(data)
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + size
        if name == b"IEND":
            break
        if not name.isalpha() or (end > len(data) and name != b"IDAT"):  # stray bytes, or a broken size
            found = data.find(b"IDAT", at + 5)
            if found < 0:
                break
            at = found - 4
            continue
        if name in _NEEDED:
            body = view[at + 8 : end - 4]
            is_sound = zlib.crc32(body, zlib.crc32(name)).to_bytes(4, "big") == view[end - 4 : end]
            if name == b"IDAT":
                is_cut = end > len(data)
                is_doubtful = is_doubtful or not (is_sound or is_cut)
                rows.append(body)
            elif name == b"eXIf" and is_sound:
                exif = b"Exif\x00\x00" + body
            elif name == b"PLTE" and not rows and header.color == _PALETTE:  # else a suggestion to poor screens
                if not is_sound:
                    raise ValueError("damaged palette (wrong checksum)")
                num_colours = min(len(body) // 3, 256)
                kept.append(_chunk(name, body))
            elif name == b"tRNS" and not rows and is_sound and header.is_transparency(body, num_colours):
                kept.append(_chunk(name, header.transparency(bytes(body))))
        at = end
    if not rows:
        raise ValueError(f"{TRUNCATED}: no picture data")

    def file(*rows: bytes | memoryview) -> bytes:
        return b"".join([_SIGNATURE, *kept, *_pieces(b"IDAT", rows), *_pieces(b"IEND", ())])

    def require_rows() -> None:
        _require_rows(rows, header.num_bytes)

    def whole() -> bytes:
        if not is_whole:
            return file(_repacked(rows, header.num_bytes, is_doubtful))
        if header.is_interlaced:  # its last rows are not those that come last
            require_rows()
        return file(*rows)

    is_whole = not is_cut and not is_doubtful
    is_small = is_whole and not header.is_interlaced and len(data) < LARGE_FILE
    return Parts(
        data=file(*rows) if is_small else file(),
        orientation=stored_orientation(exif),
        whole=None if is_small else whole,
        require_rows=require_rows if is_whole and not header.is_interlaced else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Header:
    width: int
    height: int
    bits: int
    color: int
    is_interlaced: bool

    @classmethod
    def read(cls, data: bytes) -> _Header:
        if data[12:16] == b"CgBI":
            raise ImageError("a PNG in Apple's own form for iPhones (CgBI); write it again as a plain PNG")
        if len(data) < 33 or data[12:16] != b"IHDR":
            raise ValueError("no header (IHDR)")
        if zlib.crc32(data[12:29]).to_bytes(4, "big") != data[29:33]:
            raise ValueError("damaged header (wrong checksum)")
        width, height, bits, color, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
        if color not in _CHANNELS:
            raise ValueError(f"unknown colour type {color}")
        return cls(width=width, height=height, bits=bits, color=color, is_interlaced=interlace == 1)

    @property
    def num_bytes(self) -> int:
        """Of the unpacked rows, with the byte before each."""

        def size(width: int, height: int) -> int:
            return height * (1 + (width * self.bits * _CHANNELS[self.color] + 7) // 8) if width and height else 0

        if not self.is_interlaced:
            return size(self.width, self.height)
        return sum(
            size(max(0, -(-(self.width - column) // columns)), max(0, -(-(self.height - row) // rows)))
            for column, row, columns, rows in _PASSES
        )

    def is_transparency(self, body: memoryview, num_colours: int) -> bool:
        """Whether a tRNS chunk has the length that it must have; one of any other says nothing."""
        if self.color == _PALETTE:
            return 0 < len(body) <= num_colours
        return len(body) == {0: 2, 2: 6}.get(self.color)

    def transparency(self, body: bytes) -> bytes:
        """A tRNS chunk in the units that Pillow compares pixels in, which are those of 8 bits."""
        if self.color == 0 and self.bits in (2, 4) and len(body) == 2:
            return struct.pack(">H", min(255, body[1] * (255 // (2**self.bits - 1))))
        if self.color == 2 and self.bits == 16 and len(body) == 6:
            return bytes([0, body[0], 0, body[2], 0, body[4]])
        return body


def _chunk(name: bytes, body: bytes | memoryview) -> bytes:
    return b"".join(_pieces(name, [body]))


def _pieces(name: bytes, bodies: Sequence[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Of a chunk: its size, name, body and checksum."""
    yield sum(map(len, bodies)).to_bytes(4, "big") + name
    yield from bodies
    yield functools.reduce(lambda checksum, body: zlib.crc32(body, checksum), bodies, zlib.crc32(name)).to_bytes(
        4, "big"
    )


def _unpacked(packed: bytes, num_bytes: int, unpacker: Any) -> Iterator[bytes]:
    """Pieces of the rows, no more than `num_bytes` in all; ValueError where bytes are missing."""
    missing = num_bytes
    while missing and not unpacker.eof:
        piece = unpacker.decompress(packed, min(missing, _AT_ONCE))
        packed = unpacker.unconsumed_tail
        if not piece and not packed:
            break
        missing -= len(piece)
        yield piece
    if missing:
        raise ValueError(TRUNCATED)


def _require_rows(rows: Sequence[bytes | memoryview], num_bytes: int) -> None:
    try:
        for _ in _unpacked(b"".join(rows), num_bytes, zlib.decompressobj()):
            pass
    except zlib.error:
        pass  # whoever decodes it has the words for it


def _repacked(rows: Sequence[bytes | memoryview], num_bytes: int, is_doubtful: bool) -> bytes:
    """Picture data whose rows are all there, packed anew; where they are in doubt their own checksum must be right."""
    unpacker, packer = zlib.decompressobj(), zlib.compressobj(1)
    try:
        packed = [packer.compress(piece) for piece in _unpacked(b"".join(rows), num_bytes, unpacker)]
        if is_doubtful:
            unpacker.decompress(unpacker.unconsumed_tail, 64)  # the checksum stands behind the rows
    except zlib.error:
        raise ValueError("damaged picture data (wrong checksum)") from None
    if is_doubtful and not unpacker.eof:
        raise ValueError("damaged picture data (wrong checksum)")
    return b"".join([*packed, packer.flush()])
