"""Opening of tables: the format of one, and the files that make it up: a file, a folder, a pattern, a list of places.

A new format is one file with a Source (rows/formats/source.py) and one line in FORMATS.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from artifact.errors import DataError
from artifact.images.limits import DEFAULT_LIMITS
from artifact.listing import listed
from rows.formats.arrays import NumpySource
from rows.formats.arrow import IpcSource, StreamSource, TableSource
from rows.formats.delimited import DelimitedSource
from rows.formats.filelist import FileListSource
from rows.formats.folder import open_folder
from rows.formats.jsonlines import JsonLinesSource
from rows.formats.objects.coco import CocoSource
from rows.formats.objects.yolo import YoloSource
from rows.formats.objects.yolo_folder import is_yolo_folder
from rows.formats.parquet import ParquetSource
from rows.formats.passed_over import counted
from rows.formats.reading import COCO, PLAIN, YOLO, Reading
from rows.formats.several import SeveralFiles
from rows.formats.source import Source
from rows.formats.tar import TarSource
from rows.formats.walk import is_folder, kind_of_junk
from rows.image_suffixes import ARRAYS, file_holds_image, has_image_suffix, suffix_of
from rows.location import Location, from_elsewhere, is_url, locate, readable_name

if TYPE_CHECKING:
    from upath import UPath

Opener = Callable[[Location, pa.Schema | None], Source]
"""Opens a file; the schema is that of the table's first file, or None where it is the first."""

FORMATS: dict[str, Opener] = {
    ".csv": DelimitedSource,
    ".csv.gz": DelimitedSource,
    ".tsv": DelimitedSource,
    ".tsv.gz": DelimitedSource,
    ".jsonl": JsonLinesSource,
    ".jsonl.gz": JsonLinesSource,
    ".ndjson": JsonLinesSource,
    ".parquet": ParquetSource,
    ".pq": ParquetSource,
    ".tar": TarSource,
    ".tar.gz": TarSource,
    ".tgz": TarSource,
    ".tar.bz2": TarSource,
    ".tar.xz": TarSource,
    ".npy": NumpySource,
    ".npz": NumpySource,
    ".arrow": IpcSource,
    ".feather": IpcSource,
    ".txt": FileListSource,
    ".lst": FileListSource,
    ".json": CocoSource,
    ".yaml": YoloSource,
    ".yml": YoloSource,
}
"""File suffix -> how to open it."""

BY_NAME: dict[str, Opener] = {COCO: CocoSource, YOLO: YoloSource}
"""Format that somebody names -> how to open whatever file or folder it is."""

_NOT_IN_FOLDERS = (".txt", ".lst", ".json", ".yaml", ".yml")
"""Notes, listings and settings lie beside all kinds of files, so a folder is no table of them."""

_FILES_AT_ONCE = 16

FileLike: TypeAlias = "str | os.PathLike[str] | UPath"
TableLike: TypeAlias = "FileLike | list[FileLike] | tuple[FileLike, ...] | pa.Table | pa.RecordBatchReader"


def open_source(table: TableLike, reading: Reading = PLAIN) -> tuple[Source, str]:
    """Open a table of any format.

    Args:
        table: a file, a folder, a pattern such as "shards/*.tar" or "train-{000..009}.tar", a list of files, a
            pa.Table, or a pa.RecordBatchReader.
        reading: its format where the name does not say it, and what a row is where it has objects.

    Returns:
        The source, and the name of the table for messages.

    Raises:
        DataError: nothing there, no such format, several formats, files that differ, or no rows.
        UsageError: a folder of images for a table that has its own.
    """
    if isinstance(table, pa.Table):
        return _with_rows(TableSource(table).seen_as(reading), "table in memory"), "table in memory"
    if isinstance(table, pa.RecordBatchReader):
        return StreamSource(table).seen_as(reading), "stream of record batches"
    with from_elsewhere(*(table if isinstance(table, (list, tuple)) else [table])):
        source, name = _open_places(table, reading)
    source.allow_images(DEFAULT_LIMITS.max_bytes)  # until somebody says another limit
    return source, name


def _open_places(table: Any, reading: Reading) -> tuple[Source, str]:
    if isinstance(table, (list, tuple)):
        places = [locate(place) for place in table]
        if not places:
            raise DataError("table of images", expected="files", got="an empty list")
        name = listed([place.name for place in places], limit=1)
        return _with_rows(_open_files(places, reading), name), name
    if isinstance(table, (str, os.PathLike)) and (found := _matches(os.fspath(table))) is not None:
        return _with_rows(_open_files(found, reading), str(table)), str(table)
    place = locate(table)
    if not _is_web_file(place) and place.is_dir():
        return _with_rows(_open_folder(place, reading), place.name), place.name
    return _with_rows(_open_files([place], reading), place.name), place.name


def _open_folder(folder: Location, reading: Reading) -> Source:
    """A folder of table files, of images, or where somebody wants its objects one that is laid out as YOLO's."""
    if reading.format is not None:
        return BY_NAME[reading.format](folder, None).seen_as(reading)
    if reading.objects and is_yolo_folder(folder):
        return YoloSource(folder).seen_as(reading)
    files = table_files(folder)
    return _open_files(files, reading) if files else open_folder(folder).seen_as(reading)


def table_files(folder: Location) -> list[Location]:
    """The files of a folder that is a table, by name: those of one format, where no image and no folder is beside them.

    Hidden files and junk of systems are passed over, and what starts with "_": half-written, or not ours. Raises
    DataError where there are two formats.
    """
    names: list[str] = []
    for name, is_nested in _entries(folder):
        if name.startswith("_") or kind_of_junk(name) is not None:
            continue
        if is_nested or has_image_suffix(name) or _is_picture_array(folder, name):
            return []
        if is_part_of_folder(name):
            names.append(name)
    files = [folder / name for name in sorted(names)]
    _opener(files)
    return files


def _is_picture_array(folder: Location, name: str) -> bool:
    """Whether a file here is an array of one picture; in object storage arrays are tables, as they always were."""
    return isinstance(folder, Path) and suffix_of(name) in ARRAYS and file_holds_image(folder / name)


def is_table_file(name: str) -> bool:
    """Whether a file of this name is opened as a table."""
    return _suffix(name) is not None


def is_table_place(path: Path) -> bool:
    """Whether a local path is a table file, or a folder of such files and nothing else to look into."""
    return bool(table_files(path)) if path.is_dir() else path.is_file() and is_table_file(path.name)


def is_part_of_folder(name: str) -> bool:
    """Whether a file of this name, in a folder that is a table, is a part of it."""
    return _suffix(name) not in (None, *_NOT_IN_FOLDERS)


def matching_places(name: str) -> list[Location]:
    """The files that a pattern means, or the one place that is named; raises as open_source."""
    found = _matches(name)
    return [locate(name)] if found is None else found


def _is_web_file(place: Location) -> bool:
    """Whether it is a table's file at http, by its name: there a look whether it is a folder would read all of it."""
    return not isinstance(place, Path) and place.protocol in ("http", "https") and is_table_file(place.name)


def _entries(folder: Location) -> Iterator[tuple[str, bool]]:
    """(name, whether it is a folder) of what is directly in a folder, without a request for each."""
    if isinstance(folder, Path):
        try:
            with os.scandir(folder) as entries:
                found = [(entry.name, is_folder(entry)) for entry in entries]
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DataError("folder", expected="one that can be listed", got=reason, where=folder) from None
        yield from found
    else:
        for facts in folder.fs.ls(folder.path, detail=True):
            yield facts["name"].rstrip("/").rpartition("/")[2], facts["type"] == "directory"


def _open_files(files: Sequence[Location], reading: Reading) -> Source:
    opener = _opener(files) if reading.format is None else BY_NAME[reading.format]
    for file in files:
        if isinstance(file, Path) and not file.exists():
            raise DataError("table of images", expected="a file or a folder", got="nothing there", where=file)
        if opener is None:
            raise DataError(
                "table of images",
                expected=f"an image folder or a file that ends in {' '.join(FORMATS)}",
                got=readable_name(file.name),
            )
    assert opener is not None
    first = opener(files[0], None).seen_as(reading)
    if len(files) == 1:
        return first
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:  # object stores answer slowly, and many at once
        return SeveralFiles([first, *pool.map(lambda file: opener(file, first.schema).seen_as(reading), files[1:])])


def _opener(files: Sequence[Location]) -> Opener | None:
    """The opener of all of them; None where one has no known suffix."""
    suffixes = [_suffix(file.name) for file in files]
    openers = {FORMATS[suffix] for suffix in suffixes if suffix is not None}
    if len(openers) > 1:
        raise DataError(
            "table of images",
            expected="files of one format",
            got=" and ".join(sorted({str(s) for s in suffixes})),
            where=files[0].parent.name,
            mend='name those that are meant, for example "FOLDER/*.parquet"',
        )
    return next(iter(openers)) if openers and None not in suffixes else None


def _suffix(name: str) -> str | None:
    return next((suffix for suffix in sorted(FORMATS, key=len, reverse=True) if name.lower().endswith(suffix)), None)


def _matches(pattern: str) -> list[Location] | None:
    """The files that a pattern means, braces in their order and the rest by name; None for the name of one place."""
    expanded = _expand(pattern)
    if (len(expanded) == 1 and not glob.has_magic(pattern)) or pattern.lower().startswith(("http://", "https://")):
        return None
    if not is_url(pattern) and Path(pattern).exists():
        return None
    found: list[Location] = []
    for part in expanded:
        found += _glob(part) if glob.has_magic(part) else [locate(part)]
    if not found:
        raise DataError("table of images", expected="files that match", got="none", where=pattern)
    return found


def _glob(pattern: str) -> list[Location]:
    if not is_url(pattern):
        names = glob.glob(pattern, recursive=True)
        return [Path(name) for name in sorted(names) if not Path(name).name.startswith((".", "_"))]
    root: Any = locate(pattern)
    return [locate(root.fs.unstrip_protocol(name)) for name in sorted(root.fs.glob(root.path))]


def _expand(text: str) -> list[str]:
    """`a{1..3}b` and `a{x,y}b` written out, as a shell does."""
    match = re.search(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}", text)
    if match is None:
        return [text]
    if match[3] is not None:
        choices = match[3].split(",")
    else:
        choices = [str(number).zfill(len(match[1])) for number in range(int(match[1]), int(match[2]) + 1)]
    return [whole for choice in choices for whole in _expand(text[: match.start()] + choice + text[match.end() :])]


def _with_rows(source: Source, where: str) -> Source:
    column = next((name for name in source.schema.names if source.schema.names.count(name) == 1), None)
    if column is None and source.schema.names:
        return source  # no column can be read, and whoever wants one is told why
    columns = [] if column is None else [column]
    num_rows = source.count_rows(columns)
    if num_rows is None:
        tables = source.chunks(columns, start_row=0, max_rows=1, max_bytes=1)
        num_rows = next((table.num_rows for table in tables if table.num_rows), 0)
    if not num_rows:
        besides = counted(source.passed_over)
        got = "none" if besides == "nothing" else f"none, but {besides}"
        raise DataError("table", expected="rows", got=got, where=where)
    return source
