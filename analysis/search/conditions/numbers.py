"""Numbers that stand in a column of text, as those of a CSV do: CAST(price AS DOUBLE) of a condition.

Decisions a reader would question:
- A cell that is no number is refused with its row, for rows that quietly do not match are taken for an answer;
  TRY_CAST takes such a cell for missing. An empty cell is missing either way.
- A whole number may be written 5.0, as programs do that had a gap in the column.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.search.conditions.text import CAST_TYPES, named, refused

_DOUBLE = r"^\+?-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"
_WHOLE = r"^[+-]?\d+(\.0*)?$"


def numbers_of(column: Any, name: str, kind: str, *, is_strict: bool) -> Any:
    """A column of text or of numbers as float64, or as int64.

    Args:
        column: of Arrow; text is large_string.
        name: of the column, for messages; where it is calculated, what it is.
        kind: one of CAST_TYPES.
        is_strict: what is no such number is refused; else it is null.

    Raises:
        UsageError: a cell that is no such number, or is beyond it.
    """
    is_whole = CAST_TYPES[kind]
    if pa.types.is_large_string(column.type):
        cells = pc.utf8_trim_whitespace(column)
        cells = pc.if_else(pc.equal(cells, pa.scalar("", pa.large_string())), pa.scalar(None, pa.large_string()), cells)
        fits = pc.match_substring_regex(cells, _WHOLE if is_whole else _DOUBLE)
        cells = pc.replace_substring_regex(cells, r"^\+|\.0*$", "") if is_whole else cells
    elif not is_whole or pa.types.is_integer(column.type):
        return column if is_whole else pc.cast(column, pa.float64(), safe=False)
    else:
        cells = column.cast(pa.float64()) if pa.types.is_floating(column.type) else column
        fits = pc.equal(pc.floor(cells), cells)
    if is_whole:
        fits = pc.and_(fits, _is_within(pc.if_else(fits, cells, pa.scalar(None, cells.type))))
    row = pc.index(fits, False).as_py()
    if is_strict and row >= 0:
        raise refused(
            f"{column[row].as_py()!r} in row {row}",
            expected=f"a {'whole ' if is_whole else ''}number in every cell of {named(name)}",
            mend=f"TRY_CAST({named(name)} AS {kind}) takes such cells for missing",
        )
    found = pc.if_else(fits, cells, pa.scalar(None, cells.type))
    return pc.cast(found, pa.int64() if is_whole else pa.float64())


def _is_within(cells: Any) -> Any:
    """Whether whole numbers, written or not, are within 64 bits; null is true, for it is told by others."""
    bound = 2**63
    if not pa.types.is_large_string(cells.type):
        floats = pc.fill_null(pc.cast(cells, pa.float64()), 0.0)
        return pc.and_(pc.greater_equal(floats, pa.scalar(float(-bound))), pc.less(floats, pa.scalar(float(bound))))
    longest: Any = pc.max(pc.binary_length(cells))
    if longest.as_py() is None or longest.as_py() < len(str(bound)) - 1:
        return pa.scalar(True)
    return pa.array([each is None or -bound <= int(each) < bound for each in cells.to_pylist()])
