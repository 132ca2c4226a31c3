"""A tar's headers, read strictly: what is damaged, cut off or behind the end is an error.

Python's tarfile takes a damaged header, and one that is missing, for the end of the archive, and rows would be lost
without a word. An archive ends with a block of zeros, which every writer puts there, and more follow, up to the next
multiple of its record. More, or anything else, is a file that was not written to its end, or several archives.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rows.formats import packing
from rows.location import Location

_Invalid, _Truncated, _Empty, _EndOfFile = (  # of which the stubs do not know
    vars(tarfile)[f"{fault}HeaderError"] for fault in ("Invalid", "Truncated", "Empty", "EOF")
)
_RECORDS = tuple(512 * blocks for blocks in (1, 2, 20, 32, 40, 64, 126, 128, 256, 512, 1024, 2048))
"""Bytes that writers fill up: 20 blocks mostly; others are told to (tar -b)."""

_END = "lookalike_end"
"""Where a TarFile keeps the byte at which its archive ended."""


class DamagedHeaderError(Exception):
    """Not a tarfile error, which tarfile would catch."""


BROKEN = (*packing.BROKEN, tarfile.TarError, DamagedHeaderError, ValueError, OverflowError, RecursionError)
"""What reading a damaged archive raises."""


class _StrictInfo(tarfile.TarInfo):
    """Headers of which one that is damaged, cut off or missing is an error and not the end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _StrictInfo:
        end = vars(tar).get(_END)
        try:
            info = super().fromtarfile(tar)
        except _EndOfFile:
            vars(tar).setdefault(_END, tar.offset)
            raise
        except (_Invalid, _Truncated, _Empty) as error:
            if end is not None and not isinstance(error, _Invalid):  # the end of the file, behind that of the archive
                if not _is_padding(end, tar.offset):
                    raise DamagedHeaderError(f"nothing but zeros from byte {end} on, as of half a download") from None
                raise
            if tar.offset == 0 and not isinstance(error, _Invalid):
                raise  # an empty file, or no tar at all: tarfile says so itself
            fault = "no end of the archive" if isinstance(error, _Empty) else error
            if end is not None:
                fault = "data behind the end of the archive"
            raise DamagedHeaderError(f"{fault} at byte {tar.offset}") from None
        if end is not None:
            join = "join them with tar --concatenate, or name both files"
            raise DamagedHeaderError(f"another archive behind the end of the first at byte {tar.offset}: {join}")
        return info


def _is_padding(end: int, size: int) -> bool:
    """Whether the zeros from the end of the archive to that of the file are what a writer puts there."""
    return any(size % record == 0 and size - end < record + 1024 for record in _RECORDS)


@dataclass(frozen=True, kw_only=True)
class MemberName:
    """The name of a member, parted.

    Attributes:
        key: all before the first dot of the last part, with its folders.
        file: the last part.
        extension: all behind that dot; None without one.
    """

    key: str
    file: str
    extension: str | None

    @classmethod
    def of(cls, name: str) -> MemberName:
        """Parts at slashes, and at the backslashes of archives from Windows; `./` in front says nothing."""
        name = plain_name(name)
        start = max(name.rfind("/"), name.rfind("\\")) + 1
        base, dot, extension = name[start:].partition(".")
        folder = "" if name[:start] == "/" else name[:start]
        return cls(key=folder + base, file=name[start:], extension=extension if base and dot else None)


def plain_name(name: str) -> str:
    """A name without steps that lead nowhere, as `tar cf x.tar .` writes them."""
    name = name.replace("/./", "/")
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def link_target(member: tarfile.TarInfo) -> str | None:
    """The name of the member that a link means; None of what is no link."""
    if member.islnk():
        return plain_name(member.linkname)
    if member.issym():
        return posixpath.normpath(posixpath.join(posixpath.dirname(plain_name(member.name)), member.linkname))
    return None


@contextmanager
def archive(path: Location) -> Iterator[tuple[tarfile.TarFile, bool]]:
    """The archive, and whether spans of its file can be read later: of a plain one on this machine.

    Packed ones are unpacked by rows/formats/packing.py: tarfile itself unpacks each ten kilobytes at once, into
    gigabytes where they are all zeros.
    """
    with packing.unpacked(path) as found:
        is_plain = isinstance(path, Path) and not found.is_packed
        options: dict[str, Any] = {"tarinfo": _StrictInfo, "ignore_zeros": True}  # to look behind the end
        with tarfile.open(fileobj=found.file, mode="r:" if is_plain else "r|", **options) as tar:
            yield tar, is_plain


def members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """All members in their order."""
    while (member := tar.next()) is not None:
        vars(tar)["members"] = []  # tarfile remembers every member: gigabytes, of a large archive
        yield member
