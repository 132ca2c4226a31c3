"""The interface of a row format: a schema, and Arrow tables of some columns from some row on, in bounded memory."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa

from artifact.errors import UsageError
from rows.box_columns import BoxColumns
from rows.cells import row_bytes
from rows.cutting import cut
from rows.formats.reading import Reading
from rows.images import ImageRef
from rows.location import Location, stamps

LABEL = "label"
"""The column that is read wherever it is: writers leave it out where it is empty, and nobody asks for it by name."""


class Source(ABC):
    """One opened table of a format; FORMATS in rows/formats/opening.py names those of files.

    Attributes:
        schema: the columns.
        files: of the table, which must not change while it is read; not the images that it names.
        boxes: where the boxes of its objects are, where the format has them.
        mixed: columns that are text because their values are of several types, once they are settled; of each whether
            lists of numbers are among them.
    """

    schema: pa.Schema
    mixed: Mapping[str, bool] = MappingProxyType({})
    files: Sequence[Location] = ()
    boxes: BoxColumns | None = None

    def seen_as(self, reading: Reading) -> Source:
        """The same table with a row for each object or each image, where the format knows them apart; before rows are
        read. Raises UsageError where the format has no folder of images that could be another."""
        if reading.images is not None:
            raise UsageError(
                "--images", expected="none: the table says where its images are", got=reading.images, where=self.name
            )
        return self

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.files[0].name if self.files else "image folder"

    @property
    def passed_over(self) -> Counter[str]:
        """How many files lie among the table's that are none of it, by suffix or other name."""
        return Counter()

    @property
    def notes(self) -> list[str]:
        """What who reads the table should be told of it, a line each."""
        return []

    @property
    def variant(self) -> str:
        """What other rows come of the same files than plain reading gives, such as members joined; "" mostly."""
        return ""

    @property
    def stamp_of_others(self) -> str:
        """Changes with what rows come of besides `files`, such as label files that settings name; "" mostly."""
        return ""

    @property
    def older_reading(self) -> str | None:
        """How older versions read other rows of the same files, such as `without ...`; None where they did not."""
        return None

    def allow_images(self, max_bytes: int) -> None:  # noqa: B027  most tables only name their images
        """Let images of up to so many bytes through, where they travel through the table."""

    @abstractmethod
    def count_rows(self, columns: Sequence[str]) -> int | None:
        """Rows of these columns; None where counting means reading everything."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hex digest that changes when the table does."""

    @abstractmethod
    def settle(self, columns: Sequence[str]) -> pa.Schema:
        """The types of the columns that will be read, each once: those that hold every row, and no other column.

        `schema` tells the types of what is cheap to see. `chunks` gives the settled ones, once they are settled.

        Raises:
            DataError: a file that lacks a column, or holds values that go into no type with those of another.
        """

    @abstractmethod
    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        """The rows from `start_row` on, in order, in tables of any size up to about `max_rows` and `max_bytes`."""

    @abstractmethod
    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        """The image of each row of what `chunks` gave."""

    def lines(self, rows: Sequence[int]) -> list[int] | None:
        """The line of the file, from 1, on which each of these rows begins; None where the format has no lines.

        Args:
            rows: from 0, in any order. The file is read up to the last of them: ask for those that are shown.
        """
        return None

    def places(self, rows: Sequence[int]) -> list[str]:
        """Where rows stand, as who opens the file sees it: `line 3` of a text, `row 3`, from 0, of all others."""
        lines = self.lines(rows)
        return [f"row {row}" for row in rows] if lines is None else [f"line {line}" for line in lines]


class Wrapped(Source):
    """A source on top of another, which answers for it where it says nothing itself."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.schema, self.files, self.boxes = source.schema, source.files, source.boxes

    @abstractmethod
    def _needed(self, columns: Sequence[str]) -> list[str]:
        """The columns of the other source for these of this one."""

    @property
    def passed_over(self) -> Counter[str]:
        return self._source.passed_over

    @property
    def notes(self) -> list[str]:
        return self._source.notes

    @property
    def variant(self) -> str:
        return self._source.variant

    @property
    def stamp_of_others(self) -> str:
        return self._source.stamp_of_others

    @property
    def older_reading(self) -> str | None:
        return self._source.older_reading

    def allow_images(self, max_bytes: int) -> None:
        self._source.allow_images(max_bytes)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return self._source.count_rows(self._needed(columns))

    def fingerprint(self) -> str:
        return self._source.fingerprint()

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        settled = self._source.settle(self._needed(columns))
        return pa.schema([settled.field(name) for name in columns])

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        return self._source.chunks(self._needed(columns), start_row=start_row, max_rows=max_rows, max_bytes=max_bytes)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return self._source.images(table, column)

    def lines(self, rows: Sequence[int]) -> list[int] | None:
        return self._source.lines(rows)

    def places(self, rows: Sequence[int]) -> list[str]:
        return self._source.places(rows)


def picked(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """Some columns of a schema."""
    return pa.schema([schema.field(schema.names.index(name)) for name in columns])


def rechunk(chunks: Iterable[pa.Table], num_rows: int, max_bytes: int) -> Iterator[pa.Table]:
    """The same rows in tables of `num_rows`, or fewer where more would hold over `max_bytes`; the last may be shorter.

    Where a table ends depends on the rows alone, and not on how they came (rows/cutting.py).
    """
    for piece in cut(((chunk, row_bytes(chunk)) for chunk in chunks), max_rows=num_rows, max_bytes=max_bytes):
        yield pa.concat_tables([chunk.slice(start, end - start) for chunk, start, end in piece])


def skip_rows(chunks: Iterable[pa.Table], num_rows: int) -> Iterator[pa.Table]:
    """Leave out the first `num_rows`, for formats that can only be read from the start."""
    for chunk in chunks:
        if num_rows < chunk.num_rows:
            yield chunk.slice(num_rows)
        num_rows = max(0, num_rows - chunk.num_rows)


def files_fingerprint(files: Sequence[Location]) -> str:
    """SHA-256 in hex over the name and the stamp of each file (rows/location.py)."""
    digest = hashlib.sha256()
    for file, stamp in zip(files, stamps(files), strict=True):
        digest.update(os.fsencode(file.name) + b"\0" + stamp.encode() + b"\0")
    return digest.hexdigest()
