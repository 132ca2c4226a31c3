"""Segments of a JPEG file: its header, its scans, and the file that holds its picture and nothing else.

Segments are found as libjpeg finds them: bytes between two of them are passed over. Nothing is decoded here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .orientation import stored_orientation

_START, _END, _SCAN, _TABLES, _HUFFMAN = b"\xff\xd8", 0xD9, 0xDA, (0xDB, 0xDD, 0xCC), 0xC4
_INTERVAL = 0xDD
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_ARITHMETIC = frozenset(range(0xC9, 0xD0))
_NEXT = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
"""Any marker between segments but those that stand alone and say nothing there."""
_MOST_SEGMENTS = 65_536
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_EXIF, _XMP = b"Exif\x00\x00", b"http://ns.adobe.com/xap/1.0/\x00"
_RESTARTS = range(0xD0, 0xD8)
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""In the coded bytes of a scan: any marker but the restarts, which belong to it."""
_MARKER_OR_RESTART = re.compile(rb"\xff([\x01-\xfe])")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What stands before the first scan.

    Attributes:
        width, height: in pixels, not turned.
        num_components: colour components.
        is_progressive: whether its scans refine one another.
        is_one_scan: whether the first scan is all of the picture.
        orientation: 1..8.
        scan_start: the byte where the coded bytes of the first scan begin.
    """

    width: int
    height: int
    num_components: int
    is_progressive: bool
    is_one_scan: bool
    orientation: int
    scan_start: int


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The coded bytes of a scan, from `start` to `end`; and whether zeros among them can be a flat area."""

    start: int
    end: int
    zeros_are_flat: bool


@dataclass
class Scans:
    """The scans of a file.

    Attributes:
        scans: in order.
        has_end: whether the end marker follows the last.
        is_complete: whether every component is there to its last bit.
    """

    scans: list[Scan] = field(default_factory=list)
    has_end: bool = False
    is_complete: bool = False
    pieces: list[bytes] = field(default_factory=list)

    def picture(self) -> bytes:
        """The file with its picture alone and the end marker behind the last scan."""
        return b"".join([_START, *self.pieces, b"\xff\xd9"])


def read_header(data: bytes) -> Header:
    """The header of a JPEG file; ValueError where there is none."""
    frame, coding, exif, xmp = None, 0, b"", None
    for marker, start, end in _segments(data, 2):
        body = data[start:end]
        if marker in _FRAMES and frame is None:
            frame, coding = body, marker
        elif marker == 0xE1 and body.startswith(_EXIF):
            exif += body if not exif else body[len(_EXIF) :]
        elif marker == 0xE1 and body.startswith(_XMP):
            xmp = body[len(_XMP) :]
        elif marker == _SCAN and frame is not None and len(frame) >= 6:
            return Header(
                height=int.from_bytes(frame[1:3], "big"),
                width=int.from_bytes(frame[3:5], "big"),
                num_components=frame[5],
                is_progressive=coding in _PROGRESSIVE,
                is_one_scan=coding not in _PROGRESSIVE and body[:1] == frame[5:6],
                orientation=stored_orientation(exif or None, xmp),
                scan_start=end,
            )
    raise ValueError("it ends before its picture begins")


def read_scans(data: bytes, header: Header) -> Scans:
    """The scans of a file whose header was read."""
    found, coverage = Scans(), _Coverage()
    first: dict[int, int] = {}
    at = 2
    while True:
        pieces, scan = [], None
        for marker, start, end in _segments(data, at):
            body = data[start:end]
            if marker == _SCAN:
                scan = coverage.scan_header(body)
                break
            if marker in _FRAMES:
                coverage.frame(marker, body)
            if marker == _INTERVAL and len(body) >= 2:
                coverage.interval = int.from_bytes(body[:2], "big")
            if marker == _HUFFMAN:
                first.update(_first_symbols(body))
            piece = _kept(marker, body, data[start - 4 : end])
            if piece:
                pieces.append(piece)
        else:
            return found
        if scan is None:
            return found
        match = _scan_end(data, end, coverage.num_restarts(scan))
        stop = match.start() if match else len(data)
        flat = coverage.add(scan, first)
        found.scans.append(Scan(start=end, end=stop, zeros_are_flat=flat))
        found.pieces += [*pieces, b"\xff\xda" + (len(scan) + 2).to_bytes(2, "big") + scan, data[end:stop]]
        found.is_complete = coverage.is_complete
        found.has_end = match is not None and match[1][0] == _END
        # a sequential picture that is complete ends here, whatever follows
        if match is None or found.has_end or (coverage.is_complete and not coverage.is_progressive):
            return found
        at = stop
        if not _is_followed(data, at):
            return found


def _segments(data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """(marker, first byte of the body, byte behind it) of each segment, up to the next scan's header."""
    for _ in range(_MOST_SEGMENTS):
        found = _NEXT.search(data, at)
        if found is None:
            return
        marker, at = found[1][0], found.end()
        size = int.from_bytes(data[at : at + 2], "big")
        if marker == _END or size < 2 or at + size > len(data):
            if marker in (_END, _SCAN) or marker in _FRAMES:
                return
            continue  # stray bytes that look like a marker
        yield marker, at + 2, at + size
        if marker == _SCAN:
            return
        at += size


def _scan_end(data: bytes, start: int, num_restarts: int | None) -> re.Match[bytes] | None:
    """The marker that ends the coded bytes: the first that is no restart, or a restart more than the scan can have."""
    if num_restarts is None:
        return _MARKER.search(data, start)
    for match in _MARKER_OR_RESTART.finditer(data, start):
        if match[1][0] not in _RESTARTS or num_restarts == 0:
            return match
        num_restarts -= 1
    return None


def _is_followed(data: bytes, at: int) -> bool:
    """Whether tables and another scan follow without stray bytes; what a phone puts behind a picture does not."""
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _SCAN:
            return True
        if marker not in (*_TABLES, _HUFFMAN, 0xDC, 0xFE, *range(0xE0, 0xF0)):
            return False
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def _kept(marker: int, body: bytes, whole: bytes) -> bytes:
    """The segment as the picture needs it; nothing where it needs none."""
    if marker in _FRAMES or marker in _TABLES or marker == _HUFFMAN:
        return whole
    if marker == 0xE0 and body.startswith(b"JFIF\x00") and len(body) >= 14:  # it says that the colours are YCbCr
        return _JFIF
    if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:  # and this one, what colours they are
        return whole
    return b""


def _first_symbols(body: bytes) -> Iterator[tuple[int, int]]:
    """(class and number, the symbol whose code is all zeros) of each Huffman table in a segment."""
    at = 0
    while at + 17 < len(body):
        yield body[at], body[at + 17]
        at += 17 + sum(body[at + 1 : at + 17])


class _Coverage:
    """Which coefficients of which components the scans so far have brought, and to which bit."""

    def __init__(self) -> None:
        self.is_progressive = self.is_sequential = self.is_arithmetic = False
        self.interval = 0
        """Of restarts, in units of blocks; 0: there are none."""
        self._size = (0, 0)
        self._components: dict[int, tuple[int, int]] = {}
        self._lowest: dict[int, bytearray] = {}
        """Of each component the lowest bit that is there of its 64 coefficients; 255: none is."""

    def frame(self, marker: int, body: bytes) -> None:
        self.is_progressive, self.is_sequential = marker in _PROGRESSIVE, marker in _SEQUENTIAL
        self.is_arithmetic = marker in _ARITHMETIC
        self._size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        self._components = {body[at]: divmod(body[at + 1], 16) for at in range(6, len(body) - 2, 3)}

    def scan_header(self, body: bytes) -> bytes | None:
        """The header of a scan with the values that a sequential one must have; None where it is too short."""
        if not body or len(body) < 4 + 2 * body[0]:
            return None
        return body[: 1 + 2 * body[0]] + b"\x00\x3f\x00" if self.is_sequential else body

    def num_restarts(self, scan: bytes) -> int | None:
        """Of a scan that is all there; None where its size is not known."""
        samplings = list(self._components.values())
        own = self._components.get(scan[1], (1, 1)) if scan[0] else (1, 1)
        if not self.interval:
            return 0
        if not all(self._size) or not all(map(all, samplings)):
            return None
        num_units = 1
        for axis, length in enumerate(self._size):
            most = max((sampling[axis] for sampling in samplings), default=1)
            if scan[0] == 1:  # one component alone comes block by block
                num_units *= math.ceil(math.ceil(length * own[axis] / most) / 8)
            else:
                num_units *= math.ceil(length / (8 * most))
        return math.ceil(num_units / self.interval) - 1

    def add(self, scan: bytes, first: dict[int, int]) -> bool:
        """Note a scan; whether a run of zeros in it can be a flat area, by the tables in force."""
        count = scan[0]
        low, high, bits = scan[1 + 2 * count : 4 + 2 * count]
        for place in range(count):
            if low <= high < 64:
                lowest = self._lowest.setdefault(scan[1 + 2 * place], bytearray(b"\xff" * 64))
                lowest[low : high + 1] = bytes([bits & 15]) * (high + 1 - low)
        if self.is_arithmetic or high == 0 or bits >> 4:
            return True
        symbols = [first.get(0x10 | (scan[2 + 2 * place] & 15), 0) for place in range(count)]
        # a code of zeros that is a coefficient repeats it in all the block, block after block
        return all(symbol & 15 == 0 for symbol in symbols)

    @property
    def is_complete(self) -> bool:
        return all(not any(self._lowest.get(component, b"\xff")) for component in self._components)
