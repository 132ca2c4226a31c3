"""Parts of a TIFF file that its pixels are made of: the tags of its first picture that say how to read it.

A directory with those tags alone is put behind the file, and the header points to it. So a broken tag that nobody
needs, or a later page, cannot spoil the first picture. A camera's raw file is a TIFF whose first picture is a
thumbnail: it is refused, and never read from that.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .image_error import ImageError
from .image_parts import Parts
from .orientation import stored_orientation

_SIZES_AND_COLOURS = {*range(256, 260), 262, 266, 277, 284, 292, 293, 317, 320, 332, 338, 339}
_STRIPS_AND_TILES = {273, 278, 279, *range(322, 326), *range(32995, 32998), 50674}
_JPEG_INSIDE = {347, *range(512, 522), 529, 530, 532}
_NEEDED = _SIZES_AND_COLOURS | _STRIPS_AND_TILES | _JPEG_INSIDE
_SUBFILE, _PHOTOMETRIC, _ORIENTATION, _XMP, _DNG_VERSION = 254, 262, 274, 700, 50706
_RAW_COLOURS = (32803, 34892)
"""Of the pixels behind a camera's colour filter, as they come from the sensor."""
_RAW = "which is not read; export it as JPEG or TIFF"


def tiff_parts(data: bytes) -> Parts:
    """Of a TIFF or BigTIFF file: its first picture; ImageError for a camera's raw file."""
    if data[8:10] == b"CR":
        raise ImageError(f"a camera's raw file (CR2), {_RAW}")
    form = _Form.of(data)
    entries = form.entries(data)
    if not entries:
        return Parts(data=data)  # Pillow has the words for it
    values = {tag: form.number(data, entry) for tag, entry in entries.items()}
    if _DNG_VERSION in entries:
        raise ImageError(f"a camera's raw file (DNG), {_RAW}")
    if values.get(_PHOTOMETRIC) in _RAW_COLOURS:
        raise ImageError(f"a camera's raw file, {_RAW}")
    if (values.get(_SUBFILE) or 0) & 1:
        raise ImageError(f"its first picture is a thumbnail of another, as in a camera's raw file, {_RAW}")
    kept = [entry for tag, entry in entries.items() if tag in _NEEDED]
    start = len(data) + -len(data) % 8
    directory = form.directory(kept)
    file = b"".join([form.header(data, start), data[form.header_size :], bytes(start - len(data)), directory])
    orientation = values.get(_ORIENTATION)
    if orientation is None:
        packet = entries.get(_XMP)
        orientation = stored_orientation(None, form.bytes(data, packet) if packet else None)
    return Parts(data=file, orientation=orientation)


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
    def header_size(self) -> int:
        return 16 if self.is_big else 8

    @property
    def _sizes(self) -> tuple[str, str, int]:
        """Format of an offset, of a count of entries, and bytes of an entry."""
        return ("Q", "Q", 20) if self.is_big else ("I", "H", 12)

    def header(self, data: bytes, start: int) -> bytes:
        offset = self._sizes[0]
        return data[: self.header_size - struct.calcsize(offset)] + struct.pack(self.order + offset, start)

    def entries(self, data: bytes) -> dict[int, bytes]:
        """{tag: entry} of the first directory; of a tag that is there twice the last, as Pillow reads it."""
        offset, count, size = self._sizes
        try:
            width = struct.calcsize(offset)
            (at,) = struct.unpack_from(self.order + offset, data, self.header_size - width)
            (number,) = struct.unpack_from(self.order + count, data, at)
        except struct.error:
            return {}
        at += struct.calcsize(count)
        entries = (data[first : first + size] for first in range(at, min(at + number * size, len(data)), size))
        return {struct.unpack(self.order + "H", entry[:2])[0]: entry for entry in entries if len(entry) == size}

    def directory(self, entries: list[bytes]) -> bytes:
        offset, count, _ = self._sizes
        ordered = sorted(entries, key=lambda entry: struct.unpack(self.order + "H", entry[:2]))
        return struct.pack(self.order + count, len(entries)) + b"".join(ordered) + bytes(struct.calcsize(offset))

    def number(self, data: bytes, entry: bytes) -> int | None:
        """The value of a tag that is one integer; None for anything else."""
        kind, count = struct.unpack_from(self.order + "H" + self._sizes[0], entry, 2)
        form = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        if form is None or count != 1 or (form == "Q" and not self.is_big):
            return None
        value: int = struct.unpack_from(self.order + form, entry, 12 if self.is_big else 8)[0]
        return value

    def bytes(self, data: bytes, entry: bytes) -> bytes:
        """The value of a tag that is bytes."""
        offset, _, size = self._sizes
        count, at = struct.unpack_from(self.order + offset * 2, entry, 4)
        return data[at : at + count] if count > struct.calcsize(offset) else entry[size - struct.calcsize(offset) :]
