"""The images of a table's columns, row by row, and whole columns of other values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.cells import is_text
from rows.formats.source import Source
from rows.images import ImageRef
from rows.text_images import is_written_image

_ROWS_PER_READ, _TEXTS_PER_READ, _BYTES_PER_READ = 256, 8192, 1 << 24


@dataclass(frozen=True)
class TableImages:
    """The images of some columns of a table, row by row and in a row by column; read anew each time.

    Attributes:
        columns: image columns.
        wanted: int64, sorted: which of them, counted row by row; None: all.
    """

    source: Source
    columns: tuple[str, ...]
    wanted: Indices | None = None

    def __iter__(self) -> Iterator[ImageRef]:
        first_row = 0
        for table in self._tables():
            if self.wanted is None:
                yield from _row_by_row([self.source.images(table, name) for name in self.columns])
            else:
                yield from self._wanted_of(table, first_row)
            first_row += table.num_rows
            if self.wanted is not None and (not len(self.wanted) or first_row * len(self.columns) > self.wanted[-1]):
                return

    def by_table(self) -> Iterator[list[ImageRef]]:
        """All images of some rows at once, row by row."""
        for table in self._tables():
            yield list(_row_by_row([self.source.images(table, name) for name in self.columns]))

    def _tables(self) -> Iterator[pa.Table]:
        names = list(dict.fromkeys(self.columns))
        are_texts = all(is_text(self.source.schema.field(name).type) for name in names)
        most = _TEXTS_PER_READ if are_texts else _ROWS_PER_READ
        return self.source.chunks(names, start_row=0, max_rows=most, max_bytes=_BYTES_PER_READ)

    def _wanted_of(self, table: pa.Table, first_row: int) -> list[ImageRef]:
        """Those of a table whose first row is that one of all; nothing is made of the cells in between."""
        assert self.wanted is not None
        width = len(self.columns)
        bounds = np.searchsorted(self.wanted, [first_row * width, (first_row + table.num_rows) * width])
        rows, positions = np.divmod(self.wanted[slice(*bounds.tolist())] - first_row * width, width)
        found: list[ImageRef] = [ImageRef()] * len(rows)
        for position, name in enumerate(self.columns):
            places = np.flatnonzero(positions == position)
            if len(places):
                refs = self.source.images(table.take(rows[places]), name)
                for place, ref in zip(places.tolist(), refs, strict=True):
                    found[place] = ref
        return found


def _row_by_row(columns: Sequence[list[ImageRef]]) -> Iterator[ImageRef]:
    return itertools.chain.from_iterable(zip(*columns, strict=True))


def column_values(source: Source, column: str) -> list[Any]:
    """All values of one column, in order."""
    return columns_values(source, [column])[column]


def columns_values(source: Source, columns: Sequence[str]) -> dict[str, list[Any]]:
    """{column: all its values, in order}, from one reading of the table."""
    found: dict[str, list[Any]] = {name: [] for name in columns}
    for table in source.chunks(list(found), start_row=0, max_rows=65_536, max_bytes=_BYTES_PER_READ):
        for name, values in found.items():
            values += table[name].to_pylist()
    return found


def image_names(source: Source, column: str) -> tuple[str, ...]:
    """What messages call the image of each row: its path as the table has it, or where it stands; objects by id."""
    if source.boxes is not None and "id" in source.schema.names:
        return tuple(map(str, column_values(source, "id")))
    if is_text(source.schema.field(column).type):
        cells = column_values(source, column)
    else:
        cells = [None] * num_rows(source, column)
    unnamed = [row for row, cell in enumerate(cells) if not cell or is_written_image(cell)]
    for row, place in zip(unnamed, source.places(unnamed), strict=True):
        cells[row] = place
    return tuple(cells)


def class_values(source: Source, column: str, *, where: str) -> list[Any]:
    """The label of each row; None where it has none. Numbers are whole: a gap makes 3 a 3.0, which is 3 still.

    Args:
        where: the table, for messages.

    Raises:
        DataError: a number with a fraction.
    """
    values = [None if value != value else value for value in column_values(source, column)]  # NaN is none
    for row, value in enumerate(values):
        if isinstance(value, (float, Decimal)):
            if value % 1:
                raise DataError(
                    f'label column "{column}"',
                    expected="strings or whole numbers",
                    got=f"{value} in {source.places([row])[0]}",
                    where=where,
                    mend="name the right column with --columns label=...",
                )
            values[row] = int(value)
    return values


def num_rows(source: Source, column: str) -> int:
    """Rows of a table; read where nobody has counted them."""
    known = source.count_rows([column])
    if known is not None:
        return known
    tables = source.chunks([column], start_row=0, max_rows=_ROWS_PER_READ, max_bytes=_BYTES_PER_READ)
    return sum(table.num_rows for table in tables)
