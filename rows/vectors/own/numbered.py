"""Vectors as numbered columns, one for each number: e0, e1, ... or embedding_1, embedding_2, ... or 0, 1, 2, ...

Decisions a reader would question:
- One rule finds them: columns that are one text and behind it every whole number from 0 or 1 on, two of them at least.
  They are looked for only where no column of vectors stands, are `embedding` or else the only ones, and what was taken
  is told. x1, x2, y1, y2 of a box are two such groups, so nobody takes them for vectors without being asked.
- A cell that is empty or says that it is missing, in the words that pandas reads so too, is a number that is missing:
  the row is left out. Any other text that is no number is a fault of the file (a shifted row, another delimiter), and
  ends the command with its row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifact.errors import DataError
from rows.cells import is_text
from rows.vectors.column import EMBEDDING
from rows.vectors.own.made import MadeColumn

_NAME = re.compile(r"(.*?)(\d{1,9})", re.DOTALL)
_SEPARATORS = "_-. "
_MISSING = ("", "NA", "N/A", "n/a", "NULL", "null", "None", "<NA>", "#N/A")
"""Of what pandas takes for missing; its NaN and nan are numbers here already."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Numbered columns that belong together.

    Attributes:
        prefix: what stands before the number; may be "".
        names: in the order of their numbers.
    """

    prefix: str
    names: Sequence[str]

    @property
    def title(self) -> str:
        """What stands before the number, without what separates it; `embedding` where that is nothing."""
        return self.prefix.rstrip(_SEPARATORS) or EMBEDDING

    def __str__(self) -> str:
        return f"{self.names[0]} to {self.names[-1]}"


def find_groups(schema: pa.Schema, *, of_text: bool) -> list[Group]:
    """The groups of a table, in the order in which they begin.

    Args:
        of_text: columns of text count too, where a format has no types.
    """
    found: dict[str, dict[int, str]] = {}
    twice: set[str] = set()
    for field in schema:
        match = _NAME.fullmatch(field.name)
        kind = field.type
        is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
        if match is None or not (is_number or (of_text and is_text(kind))):
            continue
        numbers = found.setdefault(match[1], {})
        if int(match[2]) in numbers:  # e1 and e01: nobody knows which
            twice.add(match[1])
        numbers[int(match[2])] = field.name
    groups = []
    for prefix, numbers in found.items():
        ordered = sorted(numbers)
        if (
            len(ordered) > 1
            and prefix not in twice
            and ordered[0] in (0, 1)
            and ordered[-1] - ordered[0] < len(ordered)
        ):
            groups.append(Group(prefix=prefix, names=[numbers[number] for number in ordered]))
    return groups


def choose_group(groups: Sequence[Group], asked: str | None, *, where: str) -> Group | None:
    """The group of that prefix or title; without a name `embedding`, else the only one; None where there is none.

    Raises:
        DataError: several that could be meant.
    """
    if asked is not None:
        return next((group for group in groups if asked in (group.prefix, group.title)), None)
    named = [group for group in groups if group.title == EMBEDDING and group.prefix] or list(groups)
    if len(named) > 1:
        raise DataError(
            "vector columns",
            expected="one group of numbered columns",
            got=", ".join(map(str, groups)),
            where=where,
            mend=f"name one with --column {named[0].title}",
        )
    return named[0] if named else None


class NumberedColumns(MadeColumn):
    """The column of vectors that a group is; of columns of text it is float32.

    Args:
        schema: of the table.
        where: the table, for messages.
    """

    def __init__(self, group: Group, schema: pa.Schema, *, where: str) -> None:
        self.made_from = group.names
        taken = set(schema.names) - set(group.names)
        self.name = next(name for name in (group.title, EMBEDDING, group.prefix, f"{group}") if name not in taken)
        kinds = [schema.field(name).type for name in group.names]
        self._dtype: np.dtype[Any] = np.result_type(*map(_dtype, kinds))
        self.type = pa.list_(pa.from_numpy_dtype(self._dtype), len(group.names))
        self._where = where

    def array(self, batch: pa.RecordBatch, first_row: int) -> pa.Array[Any]:
        matrix = np.empty((batch.num_rows, len(self.made_from)), self._dtype)
        for place, name in enumerate(self.made_from):
            cells: Any = batch.column(name)
            if isinstance(cells, pa.DictionaryArray):
                cells = cells.dictionary_decode()
            if is_text(cells.type):
                cells = self._parsed(cells, name, first_row)
            elif pa.types.is_decimal(cells.type):
                cells = cells.cast(pa.float64())
            matrix[:, place] = cells.to_numpy(zero_copy_only=False)  # null is NaN
        values: Any = pa.array(matrix.reshape(-1))
        return pa.FixedSizeListArray.from_arrays(values, len(self.made_from))

    def _parsed(self, cells: Any, name: str, first_row: int) -> Any:
        """Texts as float32, NaN where a number is missing; raises DataError for text that is none."""
        try:
            return cells.cast(pa.float32()) if not cells.null_count else pc.fill_null(cells, "nan").cast(pa.float32())
        except pa.ArrowInvalid:
            return pa.array([self._number(cell, name, first_row + row) for row, cell in enumerate(cells.to_pylist())])

    def _number(self, text: str | None, name: str, row: int) -> np.float32:
        stripped = (text or "").strip()
        if stripped in _MISSING:
            return np.float32("nan")
        try:
            if "_" in stripped:
                raise ValueError
            with np.errstate(over="ignore"):
                return np.float32(float(stripped))
        except ValueError:
            mend = "write decimals with a point" if stripped.replace(",", "").lstrip("-").isdigit() else None
            got = f"{stripped[:100]!r} in row {row}"
            raise DataError(f'column "{name}"', expected="numbers", got=got, where=self._where, mend=mend) from None


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    """What holds a column; whole numbers too are floats, for null is NaN."""
    if is_text(kind) or pa.types.is_float32(kind):
        return np.dtype(np.float32)
    if pa.types.is_float16(kind):
        return np.dtype(np.float16)
    small = pa.types.is_integer(kind) and kind.bit_width <= 16
    return np.dtype(np.float32 if small else np.float64)
