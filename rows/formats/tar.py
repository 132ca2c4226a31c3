"""A tar of images in WebDataset's naming: members that share all before the first dot of their name are one row.

KEY.jpg is `image`, KEY.anchor.jpg is `anchor`, KEY.cls is `label`, KEY.txt and KEY.json are text columns; `id` is KEY.
Decisions a reader would question:
- Of a plain tar on this machine only the headers are read; a ref names the span of its image. Compressed and remote
  tars cannot be read from the middle, so their images travel as bytes.
- Which columns there are is told by the first hundred rows. A row without one of them has an empty cell there.
- Python's tarfile takes a damaged header, and one that is missing, for the end of the archive, and rows would be lost
  without a word; here both are errors. An archive ends with a block of zeros, which every writer puts there.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from artifact.limits import DEFAULT_LIMITS, IMAGE_MB_OPTION, MB
from rows.cutting import cut
from rows.formats.folder import has_image_suffix
from rows.formats.source import files_fingerprint
from rows.images import ImageRef, readable_name
from rows.location import Location, opened

_ROWS_FOR_COLUMNS = 100
_TEXTS = {"cls": "label", "txt": "txt", "json": "json"}
_FIELDS: list[tuple[str, pa.DataType]] = [("bytes", pa.binary()), ("offset", pa.int64()), ("size", pa.int64())]
_IMAGE = pa.struct(_FIELDS)
_UNPACK: dict[str, Any] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
"""Not tarfile's own: that unpacks each ten kilobytes at once, into gigabytes where they are all zeros."""


_Invalid, _Truncated, _Empty = (  # of which the stubs do not know
    vars(tarfile)[f"{fault}HeaderError"] for fault in ("Invalid", "Truncated", "Empty")
)


class _StrictInfo(tarfile.TarInfo):
    """Headers of which one that is damaged, cut off or missing is an error and not the end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _StrictInfo:
        try:
            return super().fromtarfile(tar)
        except (_Invalid, _Truncated, _Empty) as error:
            if tar.offset == 0 and not isinstance(error, _Invalid):
                raise  # an empty file, or no tar at all: tarfile says so itself
            fault = "no end of the archive" if isinstance(error, _Empty) else error
            raise _DamagedHeaderError(f"{fault} at byte {tar.offset}") from None


class _DamagedHeaderError(Exception):
    """Not a tarfile error, which tarfile would catch."""


_BROKEN = (tarfile.TarError, _DamagedHeaderError, OSError, EOFError, zlib.error, lzma.LZMAError)


@dataclass
class _Row:
    """Members of one key; `num_bytes` counts the images that travel as bytes, and the texts."""

    key: str
    cells: dict[str, Any] = field(default_factory=dict)
    num_bytes: int = 0


class TarSource:
    """A tar, plain or compressed with gzip, bzip2 or xz.

    Args:
        like: the schema, where an earlier shard of the table has told it.

    Attributes:
        max_image_bytes: of an image that travels as bytes one more than these is read, which is enough to refuse it.
    """

    max_image_bytes = DEFAULT_LIMITS.max_bytes

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        self.path = path
        self.files = (path,)
        if like is not None:
            self.schema = like
            return
        found: dict[str, pa.DataType] = {"id": pa.string()}
        for row in self._first_rows():
            found |= {name: pa.string() if name in _TEXTS.values() else _IMAGE for name in row.cells}
        self.schema = pa.schema(found)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        broken: list[BaseException] = []

        def sized_rows() -> Iterator[tuple[_Row, list[int]]]:
            try:
                for row in islice(self._rows(), start_row, None):
                    yield row, [row.num_bytes]
            except _BROKEN as error:  # told behind the rows before it
                broken.append(error)

        for piece in cut(sized_rows(), max_rows=max_rows, max_bytes=max_bytes):
            yield self._table([row for row, _, _ in piece], columns)
        if broken:
            raise self._unreadable(broken[0]) from None

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return [self._ref(cell) for cell in table[column].to_pylist()]

    def _ref(self, cell: dict[str, Any] | None) -> ImageRef:
        if cell is None:
            return ImageRef()
        if cell["bytes"] is not None:
            return ImageRef(data=cell["bytes"])
        return ImageRef(path=self.path, span=(cell["offset"], cell["size"]))

    def _first_rows(self) -> list[_Row]:
        rows: list[_Row] = []
        try:
            rows.extend(islice(self._rows(), _ROWS_FOR_COLUMNS))
        except _BROKEN as error:
            if not rows:
                raise self._unreadable(error) from None
        return rows

    def _table(self, rows: list[_Row], columns: Sequence[str]) -> pa.Table:
        values = {name: [row.cells.get(name) for row in rows] for name in columns if name != "id"}
        values["id"] = [row.key for row in rows]
        schema = pa.schema([self.schema.field(name) for name in columns])
        return pa.table([values[name] for name in columns], schema=schema)

    def _rows(self) -> Iterator[_Row]:
        """Members by key, while they follow each other."""
        row: _Row | None = None
        with self._open() as (tar, is_seekable):
            while (member := tar.next()) is not None:
                vars(tar)["members"] = []  # tarfile remembers every member: gigabytes, of a large archive
                folder, _, name = member.name.rpartition("/")
                base, dot, extension = name.partition(".")
                column = _column(extension)
                if member.isdir() or not base or not dot or column is None:
                    continue
                key = readable_name(f"{folder}/{base}" if folder else base)
                if row is None or row.key != key:
                    if row is not None:
                        yield row
                    row = _Row(key)
                if row.cells.get(column) is not None:
                    raise DataError(
                        f'row "{key}"',
                        expected=f"one {column}",
                        got=f"another, {readable_name(name)}",
                        where=self.path.name,
                    )
                self._fill(row, column, tar, member, is_seekable)
            if row is not None:
                yield row

    def _fill(self, row: _Row, column: str, tar: tarfile.TarFile, member: tarfile.TarInfo, is_seekable: bool) -> None:
        is_image = has_image_suffix(member.name)
        if is_image and is_seekable and member.isreg() and not member.issparse():
            row.cells[column] = {"bytes": None, "offset": member.offset_data, "size": member.size}
            return
        file = tar.extractfile(member) if member.isreg() else None
        if file is None:  # a link inside an archive: a row with an empty cell, which its reader is told of
            row.cells[column] = None
        elif is_image:
            data = file.read(min(member.size, self.max_image_bytes + 1))  # one more is refused when it is decoded
            row.cells[column] = {"bytes": data, "offset": None, "size": None}
            row.num_bytes += len(data)
        else:
            self._require_text(row, column, member)
            data = file.read()
            row.cells[column] = data.decode("utf-8", "backslashreplace").strip()
            row.num_bytes += len(data)

    def _require_text(self, row: _Row, column: str, member: tarfile.TarInfo) -> None:
        """Nothing is cut off in silence: a text is whole, or the archive is none that can be scored."""
        if member.size > self.max_image_bytes:
            raise DataError(
                f'row "{row.key}"',
                expected=f"{column} of at most {self.max_image_bytes / MB:.10g} MB",
                got=f"{member.size / MB:.1f} MB",
                where=self.path.name,
                mend=f"raise it with {IMAGE_MB_OPTION}",
            )

    @contextmanager
    def _open(self) -> Iterator[tuple[tarfile.TarFile, bool]]:
        """The archive, and whether spans of it can be read later."""
        with opened(self.path) as file:
            name = self.path.name.lower()
            plain = isinstance(self.path, Path) and name.endswith(".tar")
            unpack = next((_UNPACK[suffix] for suffix in _UNPACK if name.endswith(suffix)), None)
            with (
                unpack(file, "rb") if unpack else nullcontext(file) as stream,
                tarfile.open(fileobj=stream, mode="r:" if plain else "r|", tarinfo=_StrictInfo) as tar,
            ):
                yield tar, plain

    def _unreadable(self, error: BaseException) -> DataError:
        return DataError(
            "table",
            expected="a tar that can be read to its end",
            got=str(error)[:300] or type(error).__name__,
            where=self.path.name,
            mend="fetch or pack it again",
        )


def _column(extension: str) -> str | None:
    """The column of a member by what follows the first dot of its name; None where it is none."""
    lower = extension.lower()
    if lower in _TEXTS:
        return _TEXTS[lower]
    if has_image_suffix(f"x.{extension}"):
        stem = extension.rpartition(".")[0]
        return extension if stem in ("id", *_TEXTS.values()) else stem or "image"
    return None
