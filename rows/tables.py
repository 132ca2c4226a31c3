"""Tables of images: open one of any format, find its columns, and read it in batches of rows.

A new format is one file with a Source (rows/source.py) and one line in FORMATS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from artifact.errors import DataError
from rows.columns import Columns, find_columns
from rows.delimited import DelimitedSource
from rows.folder import FolderSource, has_image_suffix
from rows.images import ImageRef
from rows.jsonlines import JsonLinesSource
from rows.parquet import ParquetSource, parquet_files
from rows.source import Source, rechunk

FORMATS: dict[str, Callable[[Path], Source]] = {
    ".csv": DelimitedSource,
    ".csv.gz": DelimitedSource,
    ".tsv": DelimitedSource,
    ".tsv.gz": DelimitedSource,
    ".jsonl": JsonLinesSource,
    ".jsonl.gz": JsonLinesSource,
    ".ndjson": JsonLinesSource,
    ".parquet": ParquetSource,
    ".pq": ParquetSource,
}
"""File suffix -> how to open it. A folder is an image folder, or a table of Parquet files where it holds only those."""

_ROWS_PER_READ = 1024


@dataclass(frozen=True)
class RowBatch:
    """Some rows in table order.

    Attributes:
        first_row: number of the first of them in the table, from 0.
        ids: their ids as text.
        images: stream -> one ref a row.
        copied: Arrow table of what goes into the output: `id`, then `label` and the columns asked for.
    """

    first_row: int
    ids: list[str]
    images: dict[str, list[ImageRef]]
    copied: pa.Table

    def __len__(self) -> int:
        return len(self.ids)


class ImageTable:
    """A table of images; nothing but its schema is read until `batches` is iterated.

    Attributes:
        source: the file or folder.
        streams: stream -> the column that holds its images.
        copied_schema: schema of RowBatch.copied.
    """

    def __init__(self, path: Path, source: Source, columns: Columns) -> None:
        self.source = path
        self.streams = dict(columns.streams)
        self.copied_schema = columns.copied_schema
        self._source = source
        self._columns = columns

    @property
    def num_rows(self) -> int | None:
        """Rows of the table; None where counting means reading everything (CSV, JSON lines)."""
        return self._source.num_rows

    @property
    def id_type(self) -> pa.DataType:
        """Arrow type of `id`."""
        kind: pa.DataType = self.copied_schema.field("id").type
        return kind

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex: changes when a file of the table changes (name, size, time) or other columns are read."""
        digest = hashlib.sha256(self._source.fingerprint().encode())
        digest.update(repr((sorted(self.streams.items()), self._columns.id_column)).encode())
        digest.update(repr([(field.name, str(field.type)) for field in self.copied_schema]).encode())
        return digest.hexdigest()

    def batches(self, rows_per_batch: int, start_row: int = 0) -> Iterator[RowBatch]:
        """Read the rows from `start_row` on, in order; every batch but the last has exactly `rows_per_batch`.

        Memory is bounded: a batch, and what the format reads at a time. Reading again gives the same rows.

        Raises:
            ValueError: rows_per_batch < 1 or start_row < 0.
            DataError: the file is broken further down, or a row has no id.
        """
        if rows_per_batch < 1 or start_row < 0:
            raise ValueError(f"expected rows_per_batch >= 1 and start_row >= 0, got {rows_per_batch} and {start_row}")
        columns = self._columns
        chunks = self._source.chunks(columns.read, start_row=start_row, max_rows=min(rows_per_batch, _ROWS_PER_READ))
        first = start_row
        for table in rechunk(chunks, rows_per_batch):
            copied = columns.copied(table, first)
            yield RowBatch(
                first_row=first,
                ids=self._ids(copied, first),
                images={stream: self._source.images(table[name]) for stream, name in self.streams.items()},
                copied=copied,
            )
            first += table.num_rows

    def _ids(self, copied: pa.Table, first: int) -> list[str]:
        ids = copied["id"].to_pylist()
        if None in ids:
            raise DataError(
                f'id column "{self._columns.id_column}"',
                expected="a value in every row",
                got=f"none in row {first + ids.index(None)}",
                where=self.source.name,
                mend="fill it, or name another column as the id",
            )
        return [str(value) for value in ids]


def open_table(
    source: str | Path,
    *,
    streams: Sequence[str] = ("image",),
    columns: Mapping[str, str] | None = None,
    copy: Sequence[str] | None = None,
    id_column: str | None = None,
) -> ImageTable:
    """Open an image folder or a CSV, TSV, JSON lines or Parquet table.

    Args:
        source: a file, a folder of images, or a folder of Parquet files. Relative image paths in a table are relative
            to the folder that the table is in.
        streams: the image inputs of the model.
        columns: stream -> column, where the name differs. By default the column of the stream's name; for a single
            stream also "path", "file", "filename" and "file_name" are tried.
        copy: columns to copy besides `id` and, where there is one, `label`.
        id_column: the column that becomes `id`; by default "id", else the image path of a single stream, else the
            row number. Ids are not checked to be unique: that takes memory for each row.

    Raises:
        DataError: no such file, no such format, no rows, no such column, or a column of the wrong type.
        UsageError: `columns` names no stream of the model, or one column twice.
    """
    path = Path(source)
    opened = _open_folder(path, streams) if path.is_dir() else _open_file(path)
    found = find_columns(
        opened.schema, streams=streams, columns=columns or {}, copy=copy or (), id_column=id_column, where=path.name
    )
    return ImageTable(path, opened, found)


def _open_file(path: Path) -> Source:
    if not path.exists():
        raise DataError("table of images", expected="a file or a folder", got="nothing there", where=path)
    for suffix, opener in FORMATS.items():
        if path.name.lower().endswith(suffix):
            return opener(path)
    raise DataError(
        "table of images", expected=f"an image folder or a file that ends in {' '.join(FORMATS)}", got=path.name
    )


def _open_folder(folder: Path, streams: Sequence[str]) -> Source:
    if _is_parquet_folder(folder):
        return ParquetSource(folder)
    if len(streams) > 1:
        raise DataError(
            "table of images",
            expected=f"a table with an image column for each of {', '.join(streams)}",
            got="an image folder",
            where=folder.name,
        )
    return FolderSource(folder)


def _is_parquet_folder(folder: Path) -> bool:
    if not parquet_files(folder):
        return False
    return not any(has_image_suffix(entry.name) or entry.is_dir() for entry in folder.iterdir())
