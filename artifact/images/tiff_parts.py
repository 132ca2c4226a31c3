"""Parts of a TIFF file that its pixels are made of: the tags of its first picture that say how to read it.

A directory with those tags alone takes the place of the file's own. So a broken tag that nobody needs, or a later page,
cannot spoil the first picture; and the file grows by nothing, so that one that is cut stays cut. A camera's raw file is
a TIFF whose first picture is a thumbnail: it is refused, and never read from that.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Literal

from .image_error import ImageError
from .image_parts import LARGE_FILE, Parts
from .orientation import stored_orientation

_SIZES_AND_COLOURS = {*range(256, 260), 262, 266, 277, 284, 292, 293, 317, 320, 332, 338, 339}
_STRIPS_AND_TILES = {273, 278, 279, *range(322, 326), *range(32995, 32998), 50674}
_JPEG_INSIDE = {347, *range(512, 522), 529, 530, 532}
_NEEDED = _SIZES_AND_COLOURS | _STRIPS_AND_TILES | _JPEG_INSIDE
_SUBFILE, _PHOTOMETRIC, _ORIENTATION, _XMP, _DNG_VERSION, _SUB_DIRECTORIES = 254, 262, 274, 700, 50706, 330
_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _PLANES = 256, 257, 259, 277, 284
_PLACES = ((273, 279, 0, 278), (324, 325, 322, 323))
"""Of strips, and of tiles: tags of their offsets, their sizes in bytes, their width (0: all of it) and their height."""
_RAW_COLOURS = (32803, 34892)
"""Of the pixels behind a camera's colour filter, as they come from the sensor."""
_RAW = "which is not read; export it as JPEG or TIFF"
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}


def tiff_parts(data: bytes) -> Parts:
    """Of a TIFF or BigTIFF file: its first picture; ImageError for a camera's raw file."""
    if data[:4] == b"II*\x00" and data[4:12] == b"\x10\x00\x00\x00CR\x02\x00":
        raise ImageError(f"a camera's raw file (CR2), {_RAW}")
    form = _Form.of(data)
    found = form.directory(data)
    if not found.entries:
        return Parts(data=data)  # Pillow has the words for it
    entries = found.entries
    if _DNG_VERSION in entries:
        raise ImageError(f"a camera's raw file (DNG), {_RAW}")
    if form.number(data, entries.get(_PHOTOMETRIC)) in _RAW_COLOURS:
        raise ImageError(f"a camera's raw file, {_RAW}")
    is_of_many = _SUB_DIRECTORIES in entries or found.next != 0
    if is_of_many and (form.number(data, entries.get(_SUBFILE)) or 0) & 1:
        raise ImageError(f"its first picture is a thumbnail of another, as in a camera's raw file, {_RAW}")
    orientation = form.number(data, entries.get(_ORIENTATION))
    if orientation is None:
        packet = entries.get(_XMP)
        orientation = stored_orientation(None, form.bytes(data, packet) if packet else None)
    kept = [entries[tag] for tag in sorted(_NEEDED & entries.keys())]
    file = _Overlaid(data, found.start, form.written(kept))
    return Parts(
        data=file if len(data) >= LARGE_FILE else file.getvalue(),
        orientation=orientation,
        is_cut=_is_cut(data, form, entries),
    )


def _is_cut(data: bytes, form: _Form, entries: dict[int, bytes]) -> bool:
    """Whether a packed strip or tile ends behind the file, or some are missing; of plain ones Pillow tells."""

    def number(tag: int, default: int = 1) -> int:
        return form.number(data, entries.get(tag)) or default

    is_packed = number(_COMPRESSION) != 1
    width, height = number(_WIDTH), number(_HEIGHT)
    planes = number(_SAMPLES) if number(_PLANES) == 2 else 1
    for places_tag, sizes_tag, width_tag, height_tag in _PLACES:
        places = form.numbers(data, entries.get(places_tag))
        across, down = -(-width // number(width_tag, width)), -(-height // number(height_tag, height))
        if places and len(places) < across * down * planes:
            return True
        sizes = form.numbers(data, entries.get(sizes_tag)) if is_packed else ()
        if any(place + size > len(data) for place, size in zip(places, sizes, strict=False)):
            return True
    return False


class _Overlaid(io.BytesIO):
    """A file in memory of which some bytes are replaced; it is not copied before a decoder takes all of it."""

    def __init__(self, data: bytes, at: int, piece: bytes) -> None:
        super().__init__(data)
        self._at, self._piece = at, piece

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        return self._overlaid(start, super().read(size))

    def getvalue(self) -> bytes:
        return self._overlaid(0, super().getvalue())

    def _overlaid(self, start: int, read: bytes) -> bytes:
        first, last = max(start, self._at), min(start + len(read), self._at + len(self._piece))
        if first >= last:
            return read
        piece = self._piece[first - self._at : last - self._at]
        return b"".join([read[: first - start], piece, read[last - start :]])


@dataclass(frozen=True, kw_only=True)
class _Directory:
    """Where a directory starts, its {tag: entry}, of a tag that is there twice the last, and where the next one is."""

    start: int
    entries: dict[int, bytes]
    next: int


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How numbers of this file are written: its byte order, and whether offsets have 8 bytes (BigTIFF) or 4."""

    order: str
    is_big: bool

    @classmethod
    def of(cls, data: bytes) -> _Form:
        order = "<" if data[:2] == b"II" else ">"
        return cls(order=order, is_big=43 in data[2:4])

    @property
    def _sizes(self) -> tuple[str, str, int]:
        """Format of an offset, of a count of entries, and bytes of an entry."""
        return ("Q", "Q", 20) if self.is_big else ("I", "H", 12)

    def directory(self, data: bytes) -> _Directory:
        """The first directory; one without entries where there is none."""
        offset, count, size = self._sizes
        width = struct.calcsize(offset)
        try:
            (start,) = struct.unpack_from(self.order + offset, data, 8 if self.is_big else 4)
            (number,) = struct.unpack_from(self.order + count, data, start)
        except struct.error:
            return _Directory(start=0, entries={}, next=0)
        first = start + struct.calcsize(count)
        last = first + number * size
        whole = range(first, min(last, len(data)) - size + 1, size)
        entries = {int.from_bytes(data[at : at + 2], self._name): data[at : at + size] for at in whole}
        return _Directory(start=start, entries=entries, next=int.from_bytes(data[last : last + width], self._name))

    @property
    def _name(self) -> Literal["little", "big"]:
        return "little" if self.order == "<" else "big"

    def written(self, entries: list[bytes]) -> bytes:
        """A directory that no other follows."""
        offset, count, _ = self._sizes
        return b"".join([struct.pack(self.order + count, len(entries)), *entries, bytes(struct.calcsize(offset))])

    def number(self, data: bytes, entry: bytes | None) -> int | None:
        """The value of a tag that is one integer; None for anything else."""
        numbers = self.numbers(data, entry)
        return numbers[0] if len(numbers) == 1 else None

    def numbers(self, data: bytes, entry: bytes | None) -> tuple[int, ...]:
        """The values of a tag that are integers; none for anything else."""
        if entry is None:
            return ()
        offset = self._sizes[0]
        kind, count = struct.unpack_from(self.order + "H" + offset, entry, 2)
        form = _INTEGERS.get(kind)
        if form is None:
            return ()
        value = self.bytes(data, entry, struct.calcsize(form))
        try:
            return struct.unpack_from(f"{self.order}{count}{form}", value)
        except struct.error:
            return ()

    def bytes(self, data: bytes, entry: bytes, width: int = 1) -> bytes:
        """The value of a tag as bytes, of elements of so many bytes."""
        offset, _, size = self._sizes
        count, at = struct.unpack_from(self.order + offset * 2, entry, 4)
        inside = struct.calcsize(offset)
        return data[at : at + count * width] if count * width > inside else entry[size - inside :]
