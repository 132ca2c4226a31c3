r"""Folders of images as tables: the same images under the same names for training, scoring, calibration, evaluation.

    id      relative POSIX path; bytes of a name that are not UTF-8 show as `\xff`
    label   the first-level folder; "" for an image that lies in none
    path    the name as the operating system has it, for the format's own use

Which files are images, and what is passed over, is decided by the one walk (walk.py).
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import pyarrow as pa

from artifact.arrays import Indices
from rows.formats.passed_over import no_images, passed_over_line
from rows.formats.source import Source, picked
from rows.formats.split_folders import find_splits
from rows.formats.walk import JUNK, walk
from rows.image_suffixes import OTHER_PICTURES, SUFFIXES, suffix_of
from rows.images import ImageRef
from rows.location import Location, file_stamp, readable_name

_NEWLY_READ = frozenset((".avif", ".avifs", *OTHER_PICTURES))
_NEWLY_PASSED_OVER = frozenset(JUNK.values())
_FIELDS: dict[str, pa.DataType] = {"id": pa.string(), "label": pa.string(), "path": pa.binary()}


@dataclass(frozen=True)
class FolderImages(Sequence[ImageRef]):
    """The images of a folder, as many refs as names; light, about 100 bytes an image.

    Attributes:
        folder: here or in object storage.
        names: relative POSIX paths, as the operating system has them.
        by_folder: what was passed over: by first-level folder ("" for what lies in none), and there by suffix in lower
            case ("" without one), or by other names (passed_over.py, walk.py). Folders without an image are there too.
        unlisted: folders below that cannot be listed, each with the reason.
    """

    folder: Location
    names: Sequence[str]
    by_folder: Mapping[str, Counter[str]] = field(default_factory=dict)
    unlisted: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, row: int) -> ImageRef: ...

    @overload
    def __getitem__(self, row: slice) -> list[ImageRef]: ...

    def __getitem__(self, row: int | slice) -> ImageRef | list[ImageRef]:
        if isinstance(row, slice):
            return [ImageRef(path=self.folder / name) for name in self.names[row]]
        return ImageRef(path=self.folder / self.names[row])

    def take(self, rows: Indices) -> FolderImages:
        """Some of the images, in the order asked for."""
        return FolderImages(self.folder, [self.names[row] for row in rows.tolist()], self.by_folder, self.unlisted)

    @property
    def passed_over(self) -> Counter[str]:
        """How many files there are besides, by suffix or other name, of all folders together."""
        total: Counter[str] = Counter()
        for counts in self.by_folder.values():
            total.update(counts)
        return total

    @property
    def notes(self) -> list[str]:
        """What who reads the whole folder should be told, a line each."""
        found = [passed_over_line(self.passed_over, self.unlisted)]
        splits = find_splits(self.names)
        if splits is not None:
            found.append(splits.note(self.folder))
        return [line for line in found if line]


def list_images(folder: Location) -> FolderImages:
    """Walk a folder; the images are sorted by name, and may be none.

    Raises:
        DataError: a folder that cannot be listed.
    """
    found = walk(folder)
    return FolderImages(folder, sorted(found.names), found.passed_over, found.unlisted)


def open_folder(folder: Location) -> FolderSource:
    """A folder as a table; raises DataError where it has no image."""
    images = list_images(folder)
    if not images:
        expected = f"files that end in {' '.join(sorted(SUFFIXES))}"
        raise no_images("image folder", images.passed_over, expected=expected, got="none", where=folder)
    return FolderSource(images)


class FolderSource(Source):
    """The images of a folder as a table of `id`, `label` and `path`."""

    schema = pa.schema(_FIELDS)
    files: tuple[Location, ...] = ()

    def __init__(self, images: FolderImages) -> None:
        self._images = images

    @property
    def passed_over(self) -> Counter[str]:
        """As FolderImages.passed_over."""
        return self._images.passed_over

    @property
    def notes(self) -> list[str]:
        """As FolderImages.notes."""
        return self._images.notes

    @property
    def older_reading(self) -> str | None:
        """By suffixes that are read by now, and by junk that was not passed over."""
        name = next((name for name in self._images.names if suffix_of(name) in _NEWLY_READ), None)
        junk = sorted(_NEWLY_PASSED_OVER & set(self.passed_over))
        ways = ([f"without files such as {readable_name(name)!r}"] if name else []) + (
            [f"with the images in {' '.join(junk)}"] if junk else []
        )
        return " and ".join(ways) or None

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return len(self._images)

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        """Over the names and, of a local folder, the size and time of each file."""
        digest = hashlib.sha256()
        folder = self._images.folder
        for name in self._images.names:
            stamp = file_stamp(folder / name) if isinstance(folder, Path) else ""
            digest.update(os.fsencode(name) + b"\0" + stamp.encode() + b"\0")
        return digest.hexdigest()

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        del max_bytes  # a name is short
        for first in range(start_row, len(self._images), max_rows):
            names = self._images.names[first : first + max_rows]
            schema = pa.schema([self.schema.field(column) for column in columns])
            yield pa.table([[_CELLS[column](name) for name in names] for column in columns], schema=schema)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return [ImageRef(path=self._images.folder / os.fsdecode(name or b"")) for name in table[column].to_pylist()]


def _label(name: str) -> str:
    folder, slash, _ = readable_name(name).partition("/")
    return folder if slash else ""


_CELLS: dict[str, Callable[[str], object]] = {"id": readable_name, "label": _label, "path": os.fsencode}
