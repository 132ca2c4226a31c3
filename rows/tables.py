"""Tables of images: open one of any format, find its columns, and read it in batches of rows."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import is_text
from rows.columns import Columns, find_columns
from rows.formats.built_paths import with_built_paths
from rows.formats.folder import FolderSource
from rows.formats.opening import TableLike, open_source
from rows.formats.passed_over import passed_over_facts
from rows.formats.source import Source, rechunk
from rows.images import ImageRef
from rows.location import from_elsewhere, stamps

__all__ = ["DEFAULT_BATCH_BYTES", "ImageTable", "RowBatch", "open_table", "table_of_source"]

DEFAULT_BATCH_BYTES = 64 * 2**20
"""What the cells of a batch hold at most, unless a single row holds more."""

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
    """A table of images; little but its schema is read until `batches` is iterated.

    Attributes:
        source: the table as it was named.
        streams: stream -> the column that holds its images.
        copied_schema: schema of RowBatch.copied.
    """

    def __init__(self, name: str, source: Source, columns: Columns, *, where: str) -> None:
        self.source = name
        self.streams = dict(columns.streams)
        self.copied_schema = columns.copied_schema
        self._where = where
        self._source = source
        self._columns = columns
        with from_elsewhere(*source.files):
            self._stamps = stamps(source.files)
            self._num_rows = source.count_rows(columns.read)

    @property
    def num_rows(self) -> int | None:
        """Rows of the table; None where counting means reading everything (CSV, JSON lines, tar, streams)."""
        return self._num_rows

    @property
    def id_type(self) -> pa.DataType:
        """Arrow type of `id`."""
        kind: pa.DataType = self.copied_schema.field("id").type
        return kind

    @property
    def id_column(self) -> str | None:
        """The column that is `id`, where somebody named another than the table's own."""
        columns = self._columns
        return None if columns.id_is_path or columns.id_column == "id" else columns.id_column

    @property
    def passed_over(self) -> dict[str, int]:
        """Of an image folder: how many files it holds besides, by suffix or what else they are."""
        return passed_over_facts(self._source.passed_over)

    @property
    def notes(self) -> list[str]:
        """What who reads the table should be told of it, a line each: what an image folder holds besides."""
        return self._source.notes

    @property
    def older_reading(self) -> str | None:
        """How older versions read other rows of the same files, such as `without ...`; None where they did not."""
        return self._source.older_reading

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex: changes when a file of the table changes (name, size, time) or other columns are read.

        Of a pa.Table it is over the contents; a stream of record batches has one of its own each time.
        """
        digest = hashlib.sha256(self._source.fingerprint().encode())
        digest.update(repr((sorted(self.streams.items()), self._columns.id_column)).encode())
        digest.update(repr([(field.name, str(field.type)) for field in self.copied_schema]).encode())
        return digest.hexdigest()

    def require_unchanged(self) -> None:
        """Raise DataError where a file of the table is not the one that was opened; takes one look at each file.

        Files are told apart by size and time of change, or by what an object store gives in their place. Images that a
        table only names are not looked at, nor is what an image folder holds.
        """
        for file, before, now in zip(self._source.files, self._stamps, stamps(self._source.files), strict=True):
            if now != before:
                raise DataError(
                    "table that is being read",
                    expected="the file as it was when it was opened",
                    got="nothing there" if now == "missing" else "another size or time",
                    where=file,
                    mend="write tables under another name first, then start again",
                )

    def allow_images(self, max_bytes: int) -> None:
        """Let images of up to so many bytes through, where they travel through the table; before: those of Limits.

        Those are images in compressed tars, and in the lines of text tables.
        """
        self._source.allow_images(max_bytes)

    def batches(
        self, rows_per_batch: int, start_row: int = 0, *, max_bytes: int = DEFAULT_BATCH_BYTES
    ) -> Generator[RowBatch, None, None]:
        """Read the rows from `start_row` on, in order, in batches of `rows_per_batch`.

        A batch has fewer rows where more would hold over `max_bytes` in their cells (images that the table itself
        holds, long texts), so not only the last one may be short; a row that holds more comes alone. Memory is
        bounded by that. Reading again from the same row gives the same batches.

        Raises:
            ValueError: rows_per_batch < 1 or start_row < 0.
            DataError: the file is broken further down, or a row has no id.
        """
        if rows_per_batch < 1 or start_row < 0:
            raise ValueError(f"expected rows_per_batch >= 1 and start_row >= 0, got {rows_per_batch} and {start_row}")
        columns = self._columns
        chunks = self._source.chunks(
            columns.read,
            start_row=start_row,
            max_rows=min(rows_per_batch, _ROWS_PER_READ),
            max_bytes=max(1, max_bytes // 4),
        )
        first = start_row
        for table in self._read(rechunk(chunks, rows_per_batch, max_bytes)):
            try:
                copied = columns.copied(table, first)
                ids = self._ids(copied, first)
                images = {stream: self._source.images(table, name) for stream, name in self.streams.items()}
            except UnicodeDecodeError:
                raise self._not_utf8(table, first) from None
            yield RowBatch(first_row=first, ids=ids, images=images, copied=copied)
            first += table.num_rows

    def _read(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        while True:
            with from_elsewhere(*self._source.files):
                table = next(tables, None)
            if table is None:
                return
            yield table

    def _ids(self, copied: pa.Table, first: int) -> list[str]:
        ids = copied["id"].to_pylist()
        if None in ids:
            raise DataError(
                f'id column "{self._columns.id_column}"',
                expected="a value in every row",
                got=f"none in row {first + ids.index(None)}",
                where=self._where,
                mend="fill it, or name another column as the id",
            )
        return [str(value) for value in ids]

    def _not_utf8(self, table: pa.Table, first: int) -> DataError:
        """Parquet and Arrow files can hold text that is none."""
        for name in self._columns.read:
            if not is_text(table.schema.field(name).type):
                continue
            for row, value in enumerate(table[name].cast(pa.large_binary()).to_pylist()):
                shown = (value or b"").decode("utf-8", "backslashreplace")
                if value is not None and shown.encode() != value:
                    return DataError(
                        f'column "{name}", row {first + row}',
                        expected="text in UTF-8",
                        got=shown[:200],
                        where=self._where,
                        mend="write the column as UTF-8",
                    )
        return DataError("text", expected="UTF-8", got=f"other bytes after row {first}", where=self._where)


def open_table(
    source: TableLike,
    *,
    streams: Sequence[str] = ("image",),
    columns: Mapping[str, str] | None = None,
    copy: Sequence[str] | None = None,
    id_column: str | None = None,
) -> ImageTable:
    """Open a table of images; docs/tables.md names the formats.

    Args:
        source: a file (local, or a URL such as s3://bucket/table.parquet), a folder of images or of table files, a
            pattern ("shards/*.tar", "train-{000..009}.tar"), a list of files, a pa.Table or a pa.RecordBatchReader.
            Relative image paths in a table are relative to the folder that the table is in.
        streams: the image inputs of the model.
        columns: stream -> column, where the name differs. By default the column of the stream's name; for a single
            stream also "path", "file", "filename" and "file_name" are tried, then the only column that can hold
            nothing but images.
        copy: columns to copy besides `id` and, where there is one, `label`.
        id_column: the column that becomes `id`; by default "id", else the image path of a single stream, else the
            row number. Ids are not checked to be unique: that takes memory for each row.

    Raises:
        DataError: no such file, no such format, no rows, no such column, or a column of the wrong type.
        UsageError: `columns` names no stream of the model, or one column twice.
    """
    opened, where = open_source(source)
    shown = where if isinstance(source, (pa.Table, pa.RecordBatchReader, list, tuple)) else str(source)
    return table_of_source(opened, shown, streams=streams, columns=columns, copy=copy, id_column=id_column, where=where)


def table_of_source(
    opened: Source,
    name: str,
    *,
    streams: Sequence[str] = ("image",),
    columns: Mapping[str, str] | None = None,
    copy: Sequence[str] | None = None,
    id_column: str | None = None,
    where: str,
) -> ImageTable:
    """`open_table` of a source that is open already, for a caller who looks at its columns first.

    Args:
        name: the table as it was named.
        where: its name for messages.
    """
    if isinstance(opened, FolderSource) and len(streams) > 1:
        raise DataError(
            "table of images",
            expected=f"a table with an image column for each of {', '.join(streams)}",
            got="an image folder",
            where=where,
        )
    opened = with_built_paths(opened, (columns or {}).values(), where=where)
    found = find_columns(
        opened.schema,
        streams=streams,
        columns=columns or {},
        copy=copy or (),
        id_column=id_column,
        where=where,
        settle=opened.settle,
    )
    return ImageTable(name, opened, found, where=where)
