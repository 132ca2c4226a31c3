"""Packed files of a table, known by their first bytes: a name may say .gz of a plain file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
_HEAD = 64


@dataclass(frozen=True)
class Unpacked:
    """A file for reading, at its start.

    Attributes:
        file: unpacked.
        is_packed: whether it was.
        head: its first bytes, unpacked; about 64 of them.
    """

    file: IO[bytes]
    is_packed: bool
    head: bytes


@contextmanager
def unpacked(path: Location) -> Iterator[Unpacked]:
    """A file, unpacked from gzip, bzip2 or xz where its first bytes say so.

    Raises:
        DataError: no such file, or a file of another kind by its first bytes.
    """
    with ExitStack() as stack:
        file = stack.enter_context(opened(path))
        try:
            head = file.read(_HEAD)
            file.seek(0)
        except ValueError:  # a web server that gives files from front to back only
            file = stack.enter_context(opened(path))
        except OSError as error:
            raise DataError("table", expected="a file that can be read", got=str(error), where=path.name) from None
        for magic, (what, mend) in _OTHERS.items():
            if head.startswith(magic):
                raise DataError("table", expected="what its name says", got=what, where=path.name, mend=mend)
        unpack = next((_UNPACK[magic] for magic in _UNPACK if head.startswith(magic)), None)
        if unpack is bz2.open and not head[4:].startswith(_BZIP2_BLOCKS) and len(head) > 10:
            unpack = None  # text that begins with these letters
        if unpack is None:
            yield Unpacked(file, is_packed=False, head=head)
            return
        inner = stack.enter_context(unpack(file, "rb"))
        yield Unpacked(inner, is_packed=True, head=inner.peek(_HEAD)[:_HEAD])
