"""Tables of images and their classes (CSV, TSV, JSON lines, Parquet), and which paths are tables at all.

Decisions a reader would question:
- A table is read twice: first the labels, and then its images one after the other, so that a table that holds the
  images themselves need not fit in memory.
- Classes are sorted by value, numbers as numbers, and called by what stands in the cell.
- An image without a class is refused, and not skipped: nobody can say whose negative it may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.cells import is_text
from rows.formats import opening as formats
from rows.formats.source import Source
from rows.images import ImageRef
from trainer.data.image_folder import ImageFiles
from trainer.data.table_columns import CLASSES, TableColumns, find_roles

_ROWS_PER_READ, _BYTES_PER_READ = 256, 1 << 24


def is_table(path: Path) -> bool:
    """Whether the path is a table file, or a folder of such files and nothing else to look into."""
    if path.is_dir():
        return bool(formats.table_files(path))
    return path.is_file() and formats.is_table_file(path.name)


def open_source(path: Path) -> Source:
    """Open a table; raises DataError where it is not what its name says, or has no rows."""
    return formats.open_source(path)[0]


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
        wanted = None if self.wanted is None else iter(self.wanted.tolist())
        position, coming = 0, None if wanted is None else next(wanted, -1)
        for refs in self.by_row():
            for ref in refs:
                if wanted is None:
                    yield ref
                elif position == coming:
                    yield ref
                    coming = next(wanted, -1)
                position += 1
            if coming == -1:
                return

    def by_row(self) -> Iterator[tuple[ImageRef, ...]]:
        """The images of each row."""
        names = list(dict.fromkeys(self.columns))
        for table in self.source.chunks(names, start_row=0, max_rows=_ROWS_PER_READ, max_bytes=_BYTES_PER_READ):
            yield from zip(*(self.source.images(table, name) for name in self.columns), strict=True)


def open_class_table(path: Path, columns: TableColumns, source: Source) -> ImageFiles:
    """The images of a table with their classes; no image is read yet.

    Raises:
        DataError: a table that cannot be read further down, or a label that is missing.
    """
    values = column_values(source, str(columns.label))
    missing = [row for row, value in enumerate(values) if value is None or value == ""]
    if missing:
        raise DataError(
            f'label column "{columns.label}"',
            expected="a class in every row",
            got=f"none in {listed_rows(missing)}",
            where=path.name,
            mend="fill it, or remove the rows",
        )
    kinds = sorted(set(values))
    numbers = {value: number for number, value in enumerate(kinds)}
    labels = np.array([numbers[value] for value in values], np.int64)
    images = TableImages(source, tuple(columns.images.values()))
    return ImageFiles(path, _names(source, images.columns[0], len(labels)), labels, tuple(map(str, kinds)), images)


def open_classes(path: Path, *, kind: str, columns: Mapping[str, str], what: str) -> ImageFiles:
    """As `open_class_table`, where the table must be one of classes; `what` names it in messages."""
    source = open_source(path)
    found = find_roles(source.schema, kind=kind, columns=columns, where=path.name)
    if found.shape != CLASSES:
        raise DataError(what, expected="images with their classes", got="a table of tuples", where=path.name)
    return open_class_table(path, found, source)


def _names(source: Source, column: str, num_rows: int) -> tuple[str, ...]:
    """What messages call each image: its path as it stands in the table, else its row."""
    cells = column_values(source, column) if is_text(source.schema.field(column).type) else [None] * num_rows
    return tuple(cell or f"row {row}" for row, cell in enumerate(cells))


def column_values(source: Source, column: str) -> list[Any]:
    """All values of one column, in order."""
    tables = source.chunks([column], start_row=0, max_rows=65_536, max_bytes=_BYTES_PER_READ)
    return [value for table in tables for value in table[column].to_pylist()]


def listed_rows(rows: Sequence[int], *, limit: int = 5) -> str:
    """ "row 3", or "rows 3, 5 and 12 more"."""
    more = f" and {len(rows) - limit} more" if len(rows) > limit else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:limit]))}{more}"
