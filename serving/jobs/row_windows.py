"""Windows of rows, which a job scores one by one: the same rows give the same windows, wherever the job began.

A window ends at the border of a part, at a number of rows, or with the row by which the files it holds in memory are
too large (rows/cutting.py). None of that depends on how the table was read, so a job that goes on at a part's first row
runs the batches it would have run anyway, and the vectors are the same to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import groupby

import pyarrow as pa

from rows.cutting import cut
from rows.tables import ImageTable, RowBatch
from serving.client.windows import ROWS_PER_WINDOW

MAX_WINDOW_BYTES = 64 * 1024 * 1024
"""Of images, encoded or as pixels, that the table itself holds."""


class PartWindows:
    """The windows of the parts that are wanted, in table order; iterate it once.

    A table that can tell its rows is opened again behind every gap; one that must be read from the start anyway is read
    through, and the rows of other parts are passed over.

    Args:
        is_wanted: says of a part's number whether its rows shall come.

    Attributes:
        table_rows: rows of the table; None until they are known, which may be the end of the iteration.
    """

    def __init__(self, table: ImageTable, rows_per_part: int, is_wanted: Callable[[int], bool], first: int = 0) -> None:
        self.table_rows = table.num_rows
        self._table, self._rows_per_part = table, rows_per_part
        self._is_wanted, self._first = is_wanted, first

    def __iter__(self) -> Iterator[RowBatch]:
        return self._read_through() if self.table_rows is None else self._jump(self.table_rows)

    def _read_through(self) -> Iterator[RowBatch]:
        end = None
        for window in row_windows(self._table, self._first * self._rows_per_part, self._rows_per_part):
            end = window.first_row + len(window)
            if self._is_wanted(window.first_row // self._rows_per_part):
                yield window
        if end is None:  # the table ended before: read it again to know where
            end = sum(len(batch) for batch in self._table.batches(ROWS_PER_WINDOW)) if self._first else 0
        self.table_rows = end

    def _jump(self, table_rows: int) -> Iterator[RowBatch]:
        num_parts = -(-table_rows // self._rows_per_part)
        for wanted, run in groupby(range(self._first, num_parts), self._is_wanted):
            numbers = list(run)
            if not wanted:
                continue
            with closing(row_windows(self._table, numbers[0] * self._rows_per_part, self._rows_per_part)) as windows:
                for window in windows:
                    if window.first_row // self._rows_per_part > numbers[-1]:
                        break
                    yield window


def row_windows(table: ImageTable, start_row: int, rows_per_part: int) -> Generator[RowBatch, None, None]:
    """The rows from `start_row`, the first of a part, on."""
    batches = table.batches(min(ROWS_PER_WINDOW, rows_per_part), start_row)
    pieces = cut(
        ((batch, _bytes_per_row(batch)) for batch in batches),
        max_rows=ROWS_PER_WINDOW,
        max_bytes=MAX_WINDOW_BYTES,
        may_exceed=True,
        first_row=start_row,
        rows_per_part=rows_per_part,
    )
    for piece in pieces:
        yield _join([slice_rows(batch, start, end) for batch, start, end in piece])


def take_rows(batch: RowBatch, places: list[int]) -> RowBatch:
    """Some rows of a batch by their places in it, rising; `first_row` stays that of the batch."""
    return RowBatch(
        first_row=batch.first_row,
        ids=[batch.ids[place] for place in places],
        images={name: [refs[place] for place in places] for name, refs in batch.images.items()},
        copied=batch.copied.take(pa.array(places, pa.int64())),
        attributes=[batch.attributes[place] for place in places] if batch.attributes else (),
    )


def slice_rows(batch: RowBatch, start: int, end: int) -> RowBatch:
    """The rows from place `start` to before `end`."""
    if (start, end) == (0, len(batch)):
        return batch
    return RowBatch(
        first_row=batch.first_row + start,
        ids=batch.ids[start:end],
        images={name: refs[start:end] for name, refs in batch.images.items()},
        copied=batch.copied.slice(start, end - start),
        attributes=batch.attributes[start:end],
    )


def _bytes_per_row(batch: RowBatch) -> list[int]:
    return [sum(each.num_bytes for each in given) for given in zip(*batch.given.values(), strict=True)]


def _join(batches: list[RowBatch]) -> RowBatch:
    if len(batches) == 1:
        return batches[0]
    return RowBatch(
        first_row=batches[0].first_row,
        ids=[name for batch in batches for name in batch.ids],
        images={name: [ref for batch in batches for ref in batch.images[name]] for name in batches[0].images},
        copied=pa.concat_tables([batch.copied for batch in batches]),
        attributes=[row for batch in batches for row in batch.attributes],
    )
