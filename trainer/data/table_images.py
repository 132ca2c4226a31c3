"""The images of a table's columns, row by row, and whole columns of other values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.cells import is_text
from rows.formats.source import Source
from rows.images import ImageRef
from rows.text_images import is_written_image

_ROWS_PER_READ, _BYTES_PER_READ = 256, 1 << 24


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
        refs = (ref for row in self.by_row() for ref in row)
        if self.wanted is None:
            yield from refs
            return
        position = 0
        for wanted in self.wanted.tolist():
            yield from islice(refs, wanted - position, wanted - position + 1)
            position = wanted + 1

    def by_row(self) -> Iterator[tuple[ImageRef, ...]]:
        """The images of each row."""
        names = list(dict.fromkeys(self.columns))
        for table in self.source.chunks(names, start_row=0, max_rows=_ROWS_PER_READ, max_bytes=_BYTES_PER_READ):
            yield from zip(*(self.source.images(table, name) for name in self.columns), strict=True)


def column_values(source: Source, column: str) -> list[Any]:
    """All values of one column, in order."""
    tables = source.chunks([column], start_row=0, max_rows=65_536, max_bytes=_BYTES_PER_READ)
    return [value for table in tables for value in table[column].to_pylist()]


def image_names(source: Source, column: str) -> tuple[str, ...]:
    """What messages call the image of each row: its path as it stands in the table, else its row."""
    if is_text(source.schema.field(column).type):
        cells = column_values(source, column)
    else:
        cells = [None] * _num_rows(source, column)
    return tuple(cell if cell and not is_written_image(cell) else f"row {row}" for row, cell in enumerate(cells))


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
                    got=f"{value} in row {row}",
                    where=where,
                    mend="name the right column with --columns label=...",
                )
            values[row] = int(value)
    return values


def _num_rows(source: Source, column: str) -> int:
    """Rows of a table; read where nobody has counted them."""
    known = source.count_rows([column])
    if known is not None:
        return known
    tables = source.chunks([column], start_row=0, max_rows=_ROWS_PER_READ, max_bytes=_BYTES_PER_READ)
    return sum(table.num_rows for table in tables)
