"""Keys of a tar's rows that come back behind other rows, as in archives that were packed in the order of a disk.

Where headers can be read beforehand, the members of a key are joined into one row wherever they stand. Else all that
can be done is to see it: rows before have gone their way by then.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import DataError

_KEYS_AS_SET = 1 << 17
MAX_INDEXED_ROWS = 1 << 22
"""Rows of an archive out of order; about half a gigabyte of memory."""

MEND = "pack it again with tar --sort=name"


class KeySketch:
    """Whether a text was seen before; about 8 bytes each, so one in 10^12 pairs is taken for a repetition."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._older: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def add(self, text: object) -> bool:
        """Note it; False where it was there."""
        number = hash(text)
        place = int(np.searchsorted(self._older, number))
        if number in self._recent or (place < len(self._older) and int(self._older[place]) == number):
            return False
        self._recent.add(number)
        if len(self._recent) > _KEYS_AS_SET:
            recent = np.fromiter(self._recent, np.int64, len(self._recent))
            self._older = np.sort(np.concatenate([self._older, recent]), kind="stable")
            self._recent.clear()
        return True


class SeenKeys:
    """The keys of the rows so far, of an archive that is read once."""

    def __init__(self) -> None:
        self._keys, self._rows = KeySketch(), KeySketch()

    def require_new(self, key: str, columns: frozenset[str], *, where: str) -> None:
        """Raise DataError where the row has members apart; a row that is there twice, with all its members, may be."""
        is_new_row = self._rows.add((key, columns))
        if not self._keys.add(key) and is_new_row:
            raise DataError(
                f'row "{key}"',
                expected="its members one behind the other",
                got=f"{', '.join(sorted(columns))} apart from the others",
                where=where,
                mend=f"{MEND}; a plain tar on this machine is read in any order",
            )


class RowIndex:
    """Where the members of each row lie, by key; about 100 bytes a row.

    A row stands where its first member does. A member whose column the row has already begins another row.
    """

    def __init__(self, *, where: str) -> None:
        self.keys: list[str] = []
        self._where = where
        self._last: dict[str, int] = {}
        self._spans: dict[str, tuple[array[int], array[int]]] = {}
        self._others: dict[tuple[int, str], Any] = {}
        self._other_columns: dict[str, None] = {}

    def add(self, key: str, column: str, cell: Any) -> None:
        """Note a cell: {"offset", "size"} of a span, or any other value."""
        row = self._last.get(key)
        if row is None or self._has(row, column):
            row = self._last[key] = len(self.keys)
            self.keys.append(key)
            if row >= MAX_INDEXED_ROWS:
                raise DataError(
                    "tar out of order",
                    expected=f"at most {MAX_INDEXED_ROWS} rows, or the members of each one behind the other",
                    got="more",
                    where=self._where,
                    mend=MEND,
                )
        if isinstance(cell, dict) and cell["offset"] is not None:
            offsets, sizes = self._spans.setdefault(column, (array("q"), array("q")))
            for numbers, number in ((offsets, cell["offset"]), (sizes, cell["size"])):
                numbers.extend([-1] * (row + 1 - len(numbers)))
                numbers[row] = number
        else:
            self._others[row, column] = cell
            self._other_columns.setdefault(column)

    def cells(self, row: int) -> dict[str, Any]:
        """Column -> (offset, size), or the other value."""
        found: dict[str, Any] = {
            column: (offsets[row], sizes[row])
            for column, (offsets, sizes) in self._spans.items()
            if row < len(offsets) and offsets[row] >= 0
        }
        return found | {
            column: self._others[row, column] for column in self._other_columns if (row, column) in self._others
        }

    def _has(self, row: int, column: str) -> bool:
        spans = self._spans.get(column)
        return (spans is not None and row < len(spans[0]) and spans[0][row] >= 0) or (row, column) in self._others
