"""Values of a condition: columns and plain values, and how they are compared.

Decisions a reader would question:
- Nothing is converted behind the reader's back. A column of text is compared with text, also where the text is digits:
  `label = 7` is refused in one line, for in SQL it depends on the database what that means. Quotes mend that; beside <
  they would compare letters ('9' above '50'), so there the line says CAST.
- A whole number in a column is compared exactly with any number: 9007199254740993 is not 9007199254740992.0, `< 2.5`
  is `<= 2`, and 1e30 is above all. Dates and times are whole numbers too, of days or of what their unit is.
- A plain number beside a column of float32 is rounded to float32, as the values of the column were: `price = 0.1` finds
  what was written as 0.1.
- NaN is a number that equals nothing and is neither above nor below anything; it is no null.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.search.conditions.text import named, refused
from analysis.search.conditions.times import in_units, of_text, seconds
from rows.cells import is_text, values_type

NUMBER, TEXT, TRUTH, DATE, TIMESTAMP, NOTHING, OTHER = (
    *("a number", "text", "true or false", "a date", "a time", "nothing", "something else"),
)
_PLAIN = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}
_SIGNS = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}
_TURNED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal"}
_LARGEST_EXPONENT = 400
"""Beyond it, either way, a number is beyond float64 as well, and as whole numbers it would fill the memory."""

_LONGEST_PATTERN = 1000
"""Characters: the time of a match is that of the pattern times that of the text."""


@dataclass(frozen=True)
class Operand:
    """One side of a comparison.

    Attributes:
        kind: one of the names above.
        value: a column, a number of Arrow that was calculated, or a plain value: Decimal, str, bool, date, datetime.
        name: of the column, for messages.
    """

    kind: str
    value: Any
    name: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is a value that was written."""
        return not isinstance(self.value, pa.ChunkedArray | pa.Array | pa.Scalar)

    def __str__(self) -> str:
        if self.name is not None:
            return f'column "{self.name}" ({self.value.type})'
        if self.kind == TEXT:
            return f"the text '{self.value}'"
        return f"{self.kind} ({self.value})" if self.is_plain else self.kind


def of_column(name: str, column: Any) -> Operand:
    """A column as its kind compares: text is large_string, dictionaries are their values."""
    kind, types = values_type(column.type), pa.types
    column = column.cast(kind) if not column.type.equals(kind) else column
    if is_text(kind):
        return Operand(TEXT, column.cast(pa.large_string()), name)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return Operand(NUMBER, column, name)
    tests: dict[str, Any] = {
        TRUTH: types.is_boolean,
        DATE: types.is_date,
        TIMESTAMP: types.is_timestamp,
        NOTHING: types.is_null,
    }
    return Operand(next((each for each, test in tests.items() if test(kind)), OTHER), column, name)


def literal_number(text: str) -> Operand:
    """A number that was written; raises UsageError where it is none (1e), or beyond float64."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise refused(text, expected="a number such as 50, 0.5 or 1e3, within float64") from None
    if abs(number.adjusted()) > _LARGEST_EXPONENT or math.isinf(float(number)):
        raise refused(text, expected="numbers within float64")
    return Operand(NUMBER, number)


def time_of_text(text: str, kind: str) -> Operand:
    """A date or a time that was written; raises UsageError where it is none."""
    return Operand(kind, of_text(text, is_date=kind == DATE))


def compare(name: str, left: Operand, right: Operand, *, written: str | None = None) -> Any:
    """Truth values of a comparison, named as in pyarrow.compute ("less_equal").

    Args:
        written: what stands behind `left`, where that is not this comparison but BETWEEN.

    Raises:
        UsageError: two kinds.
    """
    if left.is_plain and not right.is_plain:
        left, right, name = right, left, _TURNED.get(name, name)
    if name in _SIGNS and written is None:
        written = f"{_SIGNS[name]} {right.value}" if right.is_plain else _SIGNS[name]
    left, right = _alike(left, right, ordered=written if name in _SIGNS else None)
    if left.kind == NOTHING or right.kind == NOTHING:
        size = len((left if left.kind == NOTHING else right).value)
        return pa.nulls(size, pa.bool_())
    if left.is_plain:
        return pa.scalar(bool(_PLAIN[name](_comparable(left), _comparable(right))))
    if not right.is_plain:
        return getattr(pc, name)(_whole_float(left.value), _whole_float(right.value))
    if left.kind in (DATE, TIMESTAMP):
        numbers, exact = in_units(left.value, right.value, shown=str(left))
        return _compare_whole(name, numbers, exact)
    if left.kind == NUMBER:
        if pa.types.is_integer(left.value.type):
            return _compare_whole(name, left.value, Fraction(right.value))
        if pa.types.is_floating(left.value.type):
            values, number = _floats(left.value, right.value)
            return getattr(pc, name)(values, number)
    return getattr(pc, name)(left.value, pa.scalar(right.value))


def is_among(value: Operand, members: Sequence[Operand]) -> Any:
    """Truth values of `value IN (members)`, which are plain values."""
    if len(members) <= 8 or value.is_plain or value.kind not in (TEXT, NUMBER, DATE, TIMESTAMP):
        found = compare("equal", value, members[0])
        for member in members[1:]:
            found = pc.or_kleene(found, compare("equal", value, member))
        return found
    both = [_alike(value, member) for member in members]
    column = value.value
    if value.kind == TEXT:
        wanted = pa.array([right.value for _, right in both], pa.large_string())
    elif value.kind in (DATE, TIMESTAMP) or pa.types.is_integer(column.type):
        is_time = value.kind != NUMBER
        exact = [
            in_units(column, pair[1].value, shown=str(value))[1] if is_time else Fraction(pair[1].value)
            for pair in both
        ]
        column = in_units(column, both[0][1].value, shown=str(value))[0] if is_time else column
        low, high = _range(column.type)
        wanted = pa.array([int(each) for each in exact if each.denominator == 1 and low <= each <= high], column.type)
    else:
        found = compare("equal", value, members[0])
        for member in members[1:]:
            found = pc.or_kleene(found, compare("equal", value, member))
        return found
    among: Any = pc.is_in(column, value_set=wanted)
    return pc.if_else(pc.is_valid(column), among, pa.scalar(None, pa.bool_()))


def is_like(value: Operand, pattern: Operand, *, ignore_case: bool) -> Any:
    """Truth values of `value LIKE pattern`: % is any text, _ any character, \\ before one of them takes it as it is."""
    if pattern.kind != TEXT or not pattern.is_plain:
        raise refused(str(pattern), expected="a text behind LIKE")
    if len(pattern.value) > _LONGEST_PATTERN:
        raise refused(f"{len(pattern.value):,} characters", expected=f"at most {_LONGEST_PATTERN:,} behind LIKE")
    if value.kind == NOTHING:
        return pa.nulls(len(value.value), pa.bool_())
    if value.kind != TEXT or value.is_plain:
        raise refused(str(value), expected="a column of text before LIKE")
    return pc.match_like(value.value, pattern.value, ignore_case=ignore_case)


def negated(value: Operand) -> Operand:
    """-value."""
    if value.kind == NUMBER and value.is_plain:
        return Operand(NUMBER, -value.value)
    return arithmetic("-", Operand(NUMBER, Decimal(0)), value)


def arithmetic(sign: str, left: Operand, right: Operand) -> Operand:
    """Of two numbers, in float64; what is divided by 0 is null."""
    sides = []
    for side in (left, right):
        if side.kind not in (NUMBER, NOTHING):
            raise refused(str(side), expected=f"numbers beside {sign}", mend=_as_number(side))
        value = pa.scalar(float(side.value)) if side.is_plain else pc.cast(side.value, pa.float64(), safe=False)
        sides.append(value)
    if sign == "/":
        is_zero = pc.equal(sides[1], pa.scalar(0.0))
        sides[1] = pc.if_else(is_zero, pa.scalar(None, pa.float64()), sides[1])
    functions = {"+": pc.add, "-": pc.subtract, "*": pc.multiply, "/": pc.divide}
    return Operand(NUMBER, functions[sign](*sides))


def _as_number(side: Operand, behind: str = "") -> str | None:
    """What to write where a column of text is to be numbers; None of anything else."""
    if side.kind != TEXT or side.name is None:
        return None
    return f"{named(side.name)} is text; write CAST({named(side.name)} AS DOUBLE) {behind}".rstrip()


def _alike(left: Operand, right: Operand, *, ordered: str | None = None) -> tuple[Operand, Operand]:
    """Both as one kind, text beside a date or a time read as one; raises UsageError where they are of two.

    Args:
        ordered: what stands behind `left`, where that asks for an order and not for the same.
    """
    for side in (left, right):
        if side.kind == OTHER:
            raise refused(str(side), expected="text, numbers, dates, times and truth values in comparisons")
    if right.is_plain and right.kind == TEXT and left.kind in (DATE, TIMESTAMP):
        is_date = left.kind == DATE and len(right.value) <= len("2000-01-01")
        right = time_of_text(right.value, DATE if is_date else TIMESTAMP)
    times = (DATE, TIMESTAMP)
    if left.kind == right.kind or NOTHING in (left.kind, right.kind) or (left.kind in times and right.kind in times):
        return left, right
    mend = None
    if NUMBER in (left.kind, right.kind) and (ordered is not None or not right.is_plain):
        mend = _as_number(left, ordered if right.is_plain and ordered else "") or _as_number(right)
    elif left.kind == TEXT and right.kind == NUMBER:
        mend = f"write '{right.value}'"
    elif left.kind == TEXT:
        mend = "text stands in single quotes"
    raise refused(str(right), expected=f"{left.kind} to compare {left} with", mend=mend)


def _comparable(operand: Operand) -> Any:
    """A plain value; dates as the times that they begin with."""
    value = operand.value
    if isinstance(value, date):
        return seconds(value, None)
    return value


def _range(kind: Any) -> tuple[int, int]:
    facts = np.iinfo(kind.to_pandas_dtype())
    return int(facts.min), int(facts.max)


def _compare_whole(name: str, values: Any, exact: Fraction) -> Any:
    """Whole numbers of a column against any number, exactly."""
    low, high = _range(values.type)
    if name in ("equal", "not_equal"):
        if exact.denominator == 1 and low <= exact <= high:
            return getattr(pc, name)(values, pa.scalar(int(exact), values.type))
        return _constant(values, name == "not_equal")
    bound = math.floor(exact) if name in ("less_equal", "greater") else math.ceil(exact)
    # x <= 2.5 is x <= 2, x > 2.5 is x > 2; x < 2.5 is x < 3, x >= 2.5 is x >= 3
    if bound < low or bound > high:
        is_below = bound > high
        return _constant(values, is_below == (name in ("less", "less_equal")))
    return getattr(pc, name)(values, pa.scalar(bound, values.type))


def _constant(values: Any, truth: bool) -> Any:
    """One truth value for every row that has a value."""
    return pc.if_else(pc.is_valid(values), pa.scalar(truth), pa.scalar(None, pa.bool_()))


def _whole_float(values: Any) -> Any:
    """Half floats, which Arrow does not compare, as float32; all else as it is."""
    return values.cast(pa.float32()) if pa.types.is_float16(values.type) else values


def _floats(values: Any, number: Decimal) -> tuple[Any, Any]:
    """A column of floats and a plain number as one type: that of the column, unless the number is beyond it."""
    with np.errstate(over="ignore"):
        rounded = np.dtype(values.type.to_pandas_dtype()).type(float(number))
    values = _whole_float(values)
    if not np.isfinite(rounded):
        return values.cast(pa.float64()), pa.scalar(float(number), pa.float64())
    return values, pa.scalar(float(rounded), values.type)
