"""Rows of a file that have no finite vector: found while it is opened, left out, counted and listed.

Decisions a reader would question:
- What is missing or not finite is a fault of that row, and the others are used without it. A vector of another length
  is a fault of the file (two models in one table), so it ends the command and is named.
- They are looked for once, when the table is opened, which reads its vectors one time more: how many rows there are has
  to be known before anything is computed, and numbers of rows must not slip in the middle.
- Tables in memory are not looked at. Who made such a matrix can mend it, and functions refuse it with the row's number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import Flags, Indices
from artifact.errors import DataError
from artifact.listing import listed
from rows.ids import id_as_text
from rows.vectors.column import as_float32, cell_lengths, stored_cells
from rows.vectors.stored import Numbered, StoredRows

NUM_LISTED = 10

NO_VECTOR = "no vector"
NULL_INSIDE = "a null among its numbers"
NOT_FINITE = "NaN, infinity or beyond float32"


@dataclass(frozen=True, kw_only=True)
class LeftOutRow:
    """One row that was left out.

    Attributes:
        row: its number in the file, from 0.
        id: its id as text; None where the table has no ids.
        reason: NO_VECTOR, NULL_INSIDE or NOT_FINITE.
    """

    row: int
    id: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """The rows of a file that were left out.

    Attributes:
        rows: int64 [m], their numbers in the file, rising.
        num_stored: rows of the file, these among them.
        first: the first NUM_LISTED of them.
    """

    rows: Indices
    num_stored: int
    first: Sequence[LeftOutRow] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """{"num_rows", "of", "first": [{"row", "id", "reason"}]} for JSON."""
        return {"num_rows": len(self), "of": self.num_stored, "first": [asdict(each) for each in self.first]}

    def notes(self, name: str) -> list[str]:
        """What who reads the table `name` should be told: one line, or none where no row was left out."""
        if not len(self):
            return []
        rows = listed([str(each.row) for each in self.first], limit=NUM_LISTED, total=len(self))
        word = "row" if len(self) == 1 else "rows"
        return [f"left out {len(self):,} of {self.num_stored:,} rows of {name} that are not finite: {word} {rows}"]


class KeptRows(StoredRows):
    """The rows of a file but for those that were left out, numbered anew.

    Attributes:
        whole: all rows.
        left_out: the others.
    """

    def __init__(self, whole: StoredRows, left_out: LeftOut) -> None:
        self.whole, self.left_out = whole, left_out
        self.schema, self.num_rows = whole.schema, whole.num_rows - len(left_out)

    @cached_property
    def row_numbers(self) -> Indices:
        """int64 [rows]: the number in the file of each row that was kept."""
        return np.delete(np.arange(self.whole.num_rows, dtype=np.int64), self.left_out.rows)

    def batches(self, columns: Sequence[str], num_rows: int, wanted: Indices | None = None) -> Iterator[Numbered]:
        bad = self.left_out.rows
        if not len(bad):
            yield from self.whole.batches(columns, num_rows, wanted)
            return
        for first_row, batch in self.whole.batches(columns, num_rows, None if wanted is None else self._there(wanted)):
            low, high = np.searchsorted(bad, (first_row, first_row + batch.num_rows)).tolist()
            if high > low:
                batch = batch.filter(_kept(batch.num_rows, bad[low:high] - first_row))
            if batch.num_rows:
                yield first_row - low, batch

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        column = self.whole.column(name)
        return column.filter(_kept(len(column), self.left_out.rows)) if len(self.left_out) else column

    def _there(self, rows: Indices) -> Indices:
        """Numbers in the file of kept rows."""
        return self.row_numbers[rows]


def without_unusable(rows: StoredRows, column: str, dim: int, *, num_rows: int, where: str) -> KeptRows:
    """The rows that have a finite vector.

    Args:
        column: that `is_vectors`.
        dim: numbers of a vector.
        num_rows: read at a time.

    Raises:
        DataError: a row with another number of numbers, or no row that has a finite vector.
    """
    found: list[Indices] = []
    reasons: dict[int, str] = {}
    for first_row, batch in rows.batches([column], num_rows):
        bad = unusable(batch.column(0), dim, name=column, first_row=first_row, where=where)
        if bad:
            found.append(np.fromiter(bad, np.int64, len(bad)) + first_row)
            for row, reason in bad.items():
                if len(reasons) == NUM_LISTED:
                    break
                reasons[first_row + row] = reason
    numbers = np.concatenate(found) if found else np.empty(0, np.int64)
    if len(numbers) == rows.num_rows:
        row, reason = next(iter(reasons.items()))
        got = f"none in {len(numbers):,} rows, {reason} in row {row}"
        raise DataError(f'vector column "{column}"', expected="finite vectors", got=got, where=where)
    listed = tuple(_named(rows, reasons)) if reasons else ()
    return KeptRows(rows, LeftOut(rows=numbers, num_stored=rows.num_rows, first=listed))


def unusable(chunk: pa.Array[Any], dim: int, *, name: str, first_row: int, where: str) -> dict[int, str]:
    """{row of the chunk, rising: reason} of those without a finite vector.

    Args:
        chunk: of a column that `is_vectors`.
        dim: numbers that a vector has.
        name, first_row, where: of the column, for messages.

    Raises:
        DataError: a row with another number of numbers that is not 0.
    """
    cells = stored_cells(chunk)
    lengths = cell_lengths(cells)
    ragged = (lengths != dim) & (lengths != 0)
    if ragged.any():
        row = int(np.argmax(ragged))
        got = f"{lengths[row]} in row {first_row + row}"
        raise DataError(f'vector column "{name}"', expected=f"{dim} numbers in every row", got=got, where=where)
    full = np.flatnonzero(lengths == dim)
    bad = dict.fromkeys(np.flatnonzero(lengths == 0).tolist(), NO_VECTOR)
    if bad:
        cells = cells.take(pa.array(full))
    values = cells.flatten()
    finite = np.isfinite(as_float32(values)).reshape(-1, dim)  # a null is NaN there
    if not finite.all():
        bad |= dict.fromkeys(full[~finite.all(axis=1)].tolist(), NOT_FINITE)
    if values.null_count:
        holed = np.asarray(values.is_null()).reshape(-1, dim).any(axis=1)
        bad |= dict.fromkeys(full[holed].tolist(), NULL_INSIDE)
    return dict(sorted(bad.items()))


def _named(rows: StoredRows, reasons: dict[int, str]) -> Iterator[LeftOutRow]:
    """The rows of these numbers with their ids."""
    wanted = np.fromiter(reasons, np.int64, len(reasons))
    ids: dict[int, Any] = {}
    if "id" in rows.schema.names:
        for first_row, batch in rows.batches(["id"], 65_536, wanted):
            low, high = np.searchsorted(wanted, (first_row, first_row + batch.num_rows)).tolist()
            ids |= {row: batch.column(0)[row - first_row].as_py() for row in wanted[low:high].tolist()}
            if high == len(wanted):
                break
    for row, reason in reasons.items():
        found = ids.get(row)
        yield LeftOutRow(row=row, id=None if found is None else id_as_text(found), reason=reason)


def _kept(num_rows: int, bad: Indices) -> pa.Array[Any]:
    mask: Flags = np.ones(num_rows, bool)
    mask[bad] = False
    return pa.array(mask)
