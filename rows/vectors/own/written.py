"""Vectors written as text, a JSON list in each cell: "[0.1, 0.2]", which is what a list becomes in CSV.

Only a column that somebody names is read so: a reader that guesses here takes prices and boxes for vectors. An empty
cell is a row without a vector; any other text than a list of numbers ends the command with its row.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.vectors.own.made import MadeColumn

_LISTS = pa.list_(pa.float32())
_DOUBLES = pa.list_(pa.float64())


class WrittenLists(MadeColumn):
    """A column of text as lists of float32.

    Args:
        name: of the column of text, and of the vectors.
        where: the table, for messages.
        mend: what to do about text that is no list, for messages.
    """

    def __init__(self, name: str, *, where: str, mend: str | None = None) -> None:
        self.name, self.made_from, self.type = name, (name,), _LISTS
        self._where, self._mend = where, mend

    def array(self, batch: pa.RecordBatch, first_row: int) -> pa.Array[Any]:
        texts = batch.column(self.name).to_pylist()
        found = [self._numbers(text, first_row + row) for row, text in enumerate(texts)]
        lists: pa.Array[Any] = pa.array(found, _DOUBLES).cast(_LISTS, safe=False)
        return lists

    def _numbers(self, text: str | None, row: int) -> list[float | None] | None:
        """The numbers of one cell; None where it is empty."""
        if text is None or text.strip() in ("", "null"):
            return None
        try:
            found = json.loads(text, parse_int=float)  # of any number of digits
            if not isinstance(found, list) or any(type(each) not in (float, type(None)) for each in found):
                raise ValueError
        except (ValueError, RecursionError):
            shown = text if len(text) <= 100 else f"{text[:100]}..."
            raise DataError(
                f'vector column "{self.name}"',
                expected="a JSON list of numbers in every row, such as [0.1, 0.2]",
                got=f"{shown!r} in row {row}",
                where=self._where,
                mend=self._mend,
            ) from None
        return found
