r"""A folder of images as a table: `id` = relative POSIX path, `label` = the first-level folder, sorted by path.

Links to files and folders are followed, but never back into a folder that is being walked. A broken link counts as a
row: its image cannot be read, and the user should be told. Names that are not UTF-8 keep working: `id` shows such bytes
as `\xff`, and the hidden column `path` holds the name as the operating system has it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa

from artifact.errors import DataError
from rows.images import ImageRef, readable_name
from rows.location import Location, file_stamp

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .gif .bmp .tif .tiff .ppm .pgm .pbm .pnm".split()  # noqa: SIM905 - one line
)
_FIELDS: dict[str, pa.DataType] = {"id": pa.string(), "label": pa.string(), "path": pa.binary()}
SCHEMA = pa.schema(_FIELDS)


class FolderSource:
    """An image folder; the names are in memory (about 100 bytes an image), the images are not."""

    schema = SCHEMA
    files: tuple[Location, ...] = ()

    def __init__(self, folder: Location) -> None:
        self.folder = folder
        if isinstance(folder, Path):
            self.names = sorted(_walk(folder, "", (os.path.realpath(folder),)))
        else:
            self.names = sorted(_list_remote(folder))
        if not self.names:
            raise DataError(
                "image folder",
                expected=f"files that end in {' '.join(sorted(SUFFIXES))}",
                got="none",
                where=folder,
            )

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return len(self.names)

    def fingerprint(self) -> str:
        """Over the names and, of a local folder, the size and time of each file."""
        digest = hashlib.sha256()
        for name in self.names:
            stamp = file_stamp(self.folder / name) if isinstance(self.folder, Path) else ""
            digest.update(os.fsencode(name) + b"\0" + stamp.encode() + b"\0")
        return digest.hexdigest()

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        del max_bytes  # a name is short
        for first in range(start_row, len(self.names), max_rows):
            names = self.names[first : first + max_rows]
            ids = [readable_name(name) for name in names]
            labels = [name.partition("/")[0] if "/" in name else "" for name in ids]
            table = pa.table([ids, labels, [os.fsencode(name) for name in names]], schema=SCHEMA)
            yield table.select(list(columns))

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return [ImageRef(path=self.folder / os.fsdecode(name or b"")) for name in table[column].to_pylist()]


def has_image_suffix(name: str) -> bool:
    """True for a file name that a folder table takes: a known suffix in any case, not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def _walk(folder: Path, prefix: str, above: tuple[str, ...]) -> Iterator[str]:
    """Relative POSIX names of the images; `above` are the real paths of the folders being walked."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DataError(
            "image folder", expected="a folder that can be listed", got=str(error.strerror), where=folder
        ) from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if not is_folder(entry):
            if has_image_suffix(entry.name):
                yield prefix + entry.name
        elif (real := os.path.realpath(entry.path)) not in above:
            yield from _walk(folder / entry.name, f"{prefix}{entry.name}/", (*above, real))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """False for a link that leads round in a circle, as for any other broken one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _list_remote(folder: Location) -> Iterator[str]:
    """Names in object storage, which has neither links nor folders that are empty."""
    assert not isinstance(folder, Path)
    root = folder.path.rstrip("/")
    for found in folder.fs.find(root):
        name = found.lstrip("/").removeprefix(root.lstrip("/")).lstrip("/")
        parts = PurePosixPath(name).parts
        if parts and has_image_suffix(name) and not any(part.startswith(".") for part in parts):
            yield name
