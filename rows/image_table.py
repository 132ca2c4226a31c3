"""A table of images whose columns are known: read in batches of rows, each with its images and what is copied of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from artifact.kinds import ATTRIBUTES
from rows.attribute_rows import AttributeRow
from rows.box_columns import BOX, OBJECT_ID
from rows.cells import is_text
from rows.columns import Columns
from rows.formats.passed_over import passed_over_facts
from rows.formats.reading import PLAIN, Reading
from rows.formats.source import Source, rechunk
from rows.images import ImageRef
from rows.location import from_elsewhere, stamps
from rows.regions import RegionColumns

DEFAULT_BATCH_BYTES = 64 * 2**20
"""What the cells of a batch hold at most, unless a single row holds more."""

REGIONS = "regions"
"""Of what a table is read as: how the regions are cut out."""

_ROWS_PER_READ = 1024


@dataclass(frozen=True)
class RowBatch:
    """Some rows in table order.

    Attributes:
        first_row: number of the first of them in the table, from 0.
        ids: their ids as text.
        images: stream -> one ref a row, of a table of regions with its region.
        attributes: of a table of attributes, one a row; it has no images then.
        copied: Arrow table of what goes into the output: `id`, of regions `object_id`, then `label` and the columns
            asked for, of regions `box` last.
    """

    first_row: int
    ids: list[str]
    images: dict[str, list[ImageRef]]
    copied: pa.Table
    attributes: Sequence[AttributeRow] = ()

    @property
    def given(self) -> dict[str, Sequence[ImageRef | AttributeRow]]:
        """What goes into the network, by stream."""
        return {ATTRIBUTES: self.attributes} if self.attributes else dict(self.images)

    def __len__(self) -> int:
        return len(self.ids)


class ImageTable:
    """A table of images; little but its schema is read until `batches` is iterated.

    Attributes:
        source: the table as it was named.
        streams: stream -> the column that holds its images.
        copied_schema: schema of RowBatch.copied.
        reading: what was said of the table besides its name.
        regions: how the rows are regions; None: they are whole images.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        columns: Columns,
        *,
        where: str,
        reading: Reading = PLAIN,
        regions: RegionColumns | None = None,
    ) -> None:
        self.source = name
        self.streams = dict(columns.streams)
        self.reading, self.regions = reading, regions
        self.copied_schema = columns.copied_schema if regions is None else _with_objects(columns, regions)
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
    def read_as(self) -> dict[str, Any]:
        """What was said of the table besides its name and columns, as `open_read_as` takes it; plain JSON.

        Empty for a table of whole images that is what its name says.
        """
        facts = self.reading.to_dict()
        facts.pop("objects", None)
        if "images" in facts and os.path.lexists(facts["images"]):
            facts["images"] = os.path.abspath(facts["images"])
        return facts | ({} if self.regions is None else {REGIONS: self.regions.options.to_dict()})

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
        if self.regions is not None:
            digest.update(repr((self._source.variant, self.regions.boxes)).encode())
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
                copied = self._copied(table, first)
                images = {stream: self._source.images(table, name) for stream, name in columns.streams.items()}
                if self.regions is not None:
                    images = {stream: self.regions.applied(table, refs) for stream, refs in images.items()}
                attributes = self._attributes(table)
                ids = self._ids(copied, first)
            except UnicodeDecodeError:
                raise self._not_utf8(table, first) from None
            yield RowBatch(first_row=first, ids=ids, images=images, copied=copied, attributes=attributes)
            first += table.num_rows

    def _copied(self, table: pa.Table, first_row: int) -> pa.Table:
        copied = self._columns.copied(table, first_row)
        return copied if self.regions is None else self._with_objects(copied, table, first_row, self.regions)

    def _attributes(self, table: pa.Table) -> Sequence[AttributeRow]:
        """The rows of attributes of some rows; a table of images has none."""
        return ()

    def _with_objects(self, copied: pa.Table, table: pa.Table, first: int, regions: RegionColumns) -> pa.Table:
        """The copied columns with those of objects; an id that is the path of the image has the object's behind it."""
        objects = regions.object_ids(table, first)
        columns: dict[str, Any] = {name: copied[name] for name in copied.column_names}
        if self._columns.id_is_path:
            numbers = [first + row if one is None else one for row, one in enumerate(objects.to_pylist())]
            paths = zip(copied["id"].to_pylist(), numbers, strict=True)
            columns["id"] = pa.array([f"{path}#{number}" for path, number in paths], self.id_type)
        columns |= {OBJECT_ID: objects, BOX: regions.box_array(table)}
        return pa.table([columns[field.name] for field in self.copied_schema], schema=self.copied_schema)

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


def _with_objects(columns: Columns, regions: RegionColumns) -> pa.Schema:
    """The copied schema with the columns of objects: one behind the id, the box last."""
    fields = list(columns.copied_schema)
    object_id, box = regions.copied_fields
    if columns.id_is_path:
        fields[0] = pa.field("id", pa.string())
    return pa.schema([fields[0], object_id, *fields[1:], box])
