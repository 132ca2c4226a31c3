"""Dates and times of conditions as exact numbers: of days, or of the unit that a column has.

Decision a reader would question: a time that is written without a zone is read in the zone of the column it is compared
with. A column without a zone tells no moment, so a time with one is not compared with it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.search.conditions.text import refused

_UNITS_PER_S = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def of_text(text: str, *, is_date: bool) -> date:
    """A date, or a datetime, that was written as ISO 8601; raises UsageError where it is none."""
    try:
        return date.fromisoformat(text) if is_date else datetime.fromisoformat(text)
    except ValueError:
        form = "a date as YYYY-MM-DD" if is_date else "a time as YYYY-MM-DD hh:mm:ss"
        raise refused(f"'{text}'", expected=form) from None


def seconds(value: date, zone: str | None) -> Fraction:
    """Seconds since 1970 of a date or time, exactly; one without a zone is that of `zone`, or of UTC.

    Raises:
        ArrowInvalid: no such time in that zone, or two of them, as when the clocks change.
    """
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    if moment.tzinfo is None:
        if zone is not None:
            local = pc.assume_timezone(pa.scalar(moment, pa.timestamp("us")), zone)
            return Fraction(local.cast(pa.int64()).as_py(), 10**6)
        moment = moment.replace(tzinfo=UTC)
    apart = moment - _EPOCH
    return Fraction(apart.days * _DAY_S + apart.seconds) + Fraction(apart.microseconds, 10**6)


def in_units(column: Any, value: date, *, shown: str) -> tuple[Any, Fraction]:
    """A column of dates or times as whole numbers, and a date or time in the same unit.

    Args:
        shown: the column, for messages.
    """
    kind = column.type
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    if zone is None and isinstance(value, datetime) and value.tzinfo is not None:
        raise refused(f"'{value}'", expected=f"a time without a zone to compare {shown} with")
    exact = seconds(value, zone)
    if pa.types.is_date32(kind):
        return column.cast(pa.int32()), exact / _DAY_S
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    return column.cast(pa.int64()), exact * _UNITS_PER_S[unit]
