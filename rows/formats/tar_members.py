"""Members of a tar that are cells of rows, told from what lies in archives besides by the same rules as in folders.

What is hidden and what systems leave behind is passed over (walk.py), and a picture with the suffix of another format
is an image where its first bytes say so (image_suffixes.py). All that is passed over is counted.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from rows.formats.tar_archive import MemberName, members, plain_name
from rows.formats.tar_cells import column_of
from rows.formats.walk import kind_of_junk
from rows.image_suffixes import HEAD_BYTES, holds_image, is_other_picture, suffix_of
from rows.location import readable_name


class CellMember(NamedTuple):
    """A member that is a cell; `file` where it was opened already, at its start."""

    key: str
    column: str
    info: tarfile.TarInfo
    file: IO[bytes] | None = None


@dataclass
class Sieve:
    """What one reading of the headers passes over.

    Attributes:
        passed_over: suffix or other name -> how many; a folder counts once.
        is_felt: whether the rows are others than by suffixes alone.
    """

    passed_over: Counter[str] = field(default_factory=Counter)
    is_felt: bool = False
    _folders: set[str] = field(default_factory=set)

    def cells_of(self, tar: tarfile.TarFile) -> Iterator[CellMember]:
        """The members that are cells, in their order."""
        for info in members(tar):
            name = MemberName.of(info.name)
            column = None if name.extension is None or info.isdir() else column_of(name.extension)
            if self._is_junk(info):
                self.is_felt |= column is not None
            elif column is not None:
                yield CellMember(readable_name(name.key), column, info)
            elif not info.isdir():
                file = tar.extractfile(info) if is_other_picture(name.file) and info.isreg() else None
                if name.extension is not None and file is not None and holds_image(_head(file)):
                    self.is_felt = True
                    yield CellMember(readable_name(name.key), column_of(name.extension, is_image=True), info, file)
                else:
                    self.passed_over[suffix_of(name.file)] += 1

    def _is_junk(self, info: tarfile.TarInfo) -> bool:
        parts = plain_name(info.name).replace("\\", "/").rstrip("/").split("/")
        for place, part in enumerate(parts):
            kind = kind_of_junk(part) if part not in (".", "..") else None
            if kind is None:
                continue
            if place < len(parts) - 1 or info.isdir():
                top = "/".join(parts[: place + 1])
                self.passed_over[kind] += top not in self._folders
                self._folders.add(top)
            else:
                self.passed_over[kind] += 1
            return True
        return False


def _head(file: IO[bytes]) -> bytes:
    """The first bytes, which stay to be read: of a packed archive nothing can be read twice."""
    peek = getattr(file, "peek", None)
    return peek(HEAD_BYTES)[:HEAD_BYTES] if peek is not None else b""
