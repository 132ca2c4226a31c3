"""Packed files of a table, known by their first bytes: a name may say .gz of a plain file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from artifact.errors import DataError
from rows.location import Location, opened

BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a damaged one raises."""

_UNPACK: dict[bytes, Any] = {b"\x1f\x8b\x08": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
_OTHERS = {
    b"\x28\xb5\x2f\xfd": ("a file packed with Zstandard", "unpack it first, for example with zstd -d"),
    b"\x04\x22\x4d\x18": ("a file packed with LZ4", "unpack it first, for example with lz4 -d"),
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV UTF-8"),
    b"Rar!": ("a RAR archive", "unpack it first"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it first"),
    b"PAR1": ("a Parquet file", "call it .parquet"),
    b"ARROW1": ("an Arrow IPC file", "call it .arrow"),
}
_LONGEST = 10


@contextmanager
def unpacked(path: Location) -> Iterator[tuple[IO[bytes], bool]]:
    """What a file holds for reading, unpacked from gzip, bzip2 or xz; and whether it was packed.

    Raises:
        DataError: no such file, or a file of another kind by its first bytes.
    """
    with opened(path) as file:
        try:
            head = file.read(_LONGEST)
            file.seek(0)
        except OSError as error:
            raise DataError("table", expected="a file that can be read", got=str(error), where=path.name) from None
        for magic, (what, mend) in _OTHERS.items():
            if head.startswith(magic):
                raise DataError("table", expected="what its name says", got=what, where=path.name, mend=mend)
        unpack = next((_UNPACK[magic] for magic in _UNPACK if head.startswith(magic)), None)
        if unpack is bz2.open and not head[4:].startswith(tuple(block[: len(head) - 4] for block in _BZIP2_BLOCKS)):
            unpack = None  # text that begins with these letters
        if unpack is None:
            yield file, False
            return
        with unpack(file, "rb") as inner:
            yield inner, True
