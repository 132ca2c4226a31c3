r"""Folders of images: the one walk through them that everybody uses, and a folder as a table.

Training, scoring, calibration and evaluation see the same images under the same names:

    id      relative POSIX path; bytes of a name that are not UTF-8 show as `\xff`
    label   the first-level folder; "" for an image that lies in none
    path    the name as the operating system has it, for the format's own use

Decisions a reader would question:
- A file counts by its suffix, in any case: all suffixes of what can be decoded. Whether it really is an image is told
  by its content, later. Hidden files and folders are passed over.
- Links to files and folders are followed. A link to a folder that is being walked, or to one above it, is passed over,
  so that no walk goes in a circle. An image that links make reachable twice has two names and counts twice; training
  keeps both on one side of a split, for it goes by content.
- A broken link with the suffix of an image counts: its image cannot be read, and the user should be told.
- What is passed over is counted, by suffix, so that it can be told.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import overload

import pyarrow as pa

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.formats.source import picked
from rows.images import ImageRef, readable_name
from rows.location import Location, file_stamp

_SUFFIXES_OF = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES_OF.values() for suffix in suffixes)
"""Of all formats that are decoded (artifact/preprocessing.py)."""

HIDDEN, UPWARD = "hidden", "link to a folder above"
"""What `passed_over` counts under other names than suffixes."""

_FIELDS: dict[str, pa.DataType] = {"id": pa.string(), "label": pa.string(), "path": pa.binary()}


@dataclass(frozen=True)
class FolderImages(Sequence[ImageRef]):
    """The images of a folder, as many refs as names; light, about 100 bytes an image.

    Attributes:
        folder: here or in object storage.
        names: relative POSIX paths, as the operating system has them.
        passed_over: how many files there are besides, by suffix in lower case ("" without one); hidden files and
            folders under HIDDEN, links to folders above under UPWARD. What lies in folders passed over is not counted.
    """

    folder: Location
    names: Sequence[str]
    passed_over: Counter[str] = field(default_factory=Counter)

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
        return FolderImages(self.folder, [self.names[row] for row in rows.tolist()], self.passed_over)


def list_images(folder: Location) -> FolderImages:
    """Walk a folder; the images are sorted by name, and may be none.

    Raises:
        DataError: a folder that cannot be listed.
    """
    passed_over: Counter[str] = Counter()
    if isinstance(folder, Path):
        found = _walk(folder, "", (os.path.realpath(folder),), passed_over)
    else:
        found = _list_remote(folder, passed_over)
    return FolderImages(folder, sorted(found), passed_over)


def has_image_suffix(name: str) -> bool:
    """True for a file name that the walk takes: a known suffix in any case, not hidden."""
    return not name.startswith(".") and _suffix(name) in SUFFIXES


def is_folder(entry: os.DirEntry[str]) -> bool:
    """False for a link that leads round in a circle, as for any other broken one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def open_folder(folder: Location) -> FolderSource:
    """A folder as a table; raises DataError where it has no image."""
    images = list_images(folder)
    if not images:
        raise DataError(
            "image folder", expected=f"files that end in {' '.join(sorted(SUFFIXES))}", got="none", where=folder
        )
    return FolderSource(images)


class FolderSource:
    """The images of a folder as a table of `id`, `label` and `path`."""

    schema = pa.schema(_FIELDS)
    files: tuple[Location, ...] = ()

    def __init__(self, images: FolderImages) -> None:
        self._images = images

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


def _walk(folder: Path, prefix: str, above: tuple[str, ...], passed_over: Counter[str]) -> Iterator[str]:
    """Relative POSIX names of the images; `above` are the real paths of the folders being walked."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DataError(
            "image folder", expected="a folder that can be listed", got=str(error.strerror), where=folder
        ) from None
    for entry in entries:
        if entry.name.startswith("."):
            passed_over[HIDDEN] += 1
        elif is_folder(entry):
            real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(above[-1], entry.name)
            if entry.is_symlink() and any(Path(each).is_relative_to(real) for each in above):
                passed_over[UPWARD] += 1
            else:
                yield from _walk(folder / entry.name, f"{prefix}{entry.name}/", (*above, real), passed_over)
        elif has_image_suffix(entry.name):
            yield prefix + entry.name
        else:
            passed_over[_suffix(entry.name)] += 1


def _list_remote(folder: Location, passed_over: Counter[str]) -> Iterator[str]:
    """Names in object storage, which has neither links nor folders that are empty."""
    assert not isinstance(folder, Path)
    root = folder.path.rstrip("/")
    for found in folder.fs.find(root):
        name = found.lstrip("/").removeprefix(root.lstrip("/")).lstrip("/")
        parts = PurePosixPath(name).parts
        if not parts:
            continue
        if any(part.startswith(".") for part in parts):
            passed_over[HIDDEN] += 1
        elif has_image_suffix(name):
            yield name
        else:
            passed_over[_suffix(name)] += 1


def _label(name: str) -> str:
    folder, slash, _ = readable_name(name).partition("/")
    return folder if slash else ""


_CELLS: dict[str, Callable[[str], object]] = {"id": readable_name, "label": _label, "path": os.fsencode}


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
