"""Types that hold the values of two others: of two files of a table, or of two stretches of one.

Decision a reader would question: numbers, dates and truth values that meet text become text, and so do numbers that
meet dates. An id or a label is a name, and "17" beside "A17" is one. Whole numbers that no fraction can hold exactly
become text beside fractions, and so do those beyond 64 bits with a sign: half of an id is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rows.cells import is_text, values_type

_DIGITS = {16: 11, 32: 24, 64: 53}
"""Bits of a floating-point number -> those of the whole numbers that it holds exactly."""


def wider(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """The narrowest type that holds both; `first` where it does. None where there is none: lists and text, say.

    Dictionaries count as their values.
    """
    first, second = _plain(first), _plain(second)
    if first.equals(second):
        return first
    try:
        schemas = [pa.schema([("x", kind)]) for kind in (first, second)]
        merged: pa.DataType | None = pa.unify_schemas(schemas, promote_options="permissive").field("x").type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        merged = None
    if merged is not None and is_text(first) == is_text(second):
        return merged
    if pa.types.is_null(first) or pa.types.is_null(second):
        return second if pa.types.is_null(first) else first
    if _has_text(first) and _has_text(second):
        is_large = pa.types.is_large_string(first) or pa.types.is_large_string(second)
        return pa.large_string() if is_large else pa.string()
    return None


def widest(kinds: Iterable[pa.DataType]) -> pa.DataType | None:
    """The type that `wider` gives for all of them; None where there is none."""
    found: pa.DataType | None = pa.null()
    for kind in kinds:
        found = found if found is None or found.equals(kind) else wider(found, kind)
    return found


def holds(kind: pa.DataType, other: pa.DataType) -> bool:
    """Whether a type that `wider` gave holds every value of the other, whatever that is; of lists and structs True."""
    kind, other = _plain(kind), _plain(other)
    types = pa.types
    if kind.equals(other) or types.is_null(other) or is_text(kind) or not _has_text(other):
        return True
    if types.is_integer(other):
        bits = other.bit_width - types.is_signed_integer(other)
        if types.is_integer(kind):
            has_sign = types.is_signed_integer(kind) or not types.is_signed_integer(other)
            return bool(has_sign and bits <= kind.bit_width - types.is_signed_integer(kind))
        return types.is_floating(kind) and bits <= _DIGITS[kind.bit_width]
    return types.is_floating(kind) and types.is_floating(other) and other.bit_width <= kind.bit_width


def as_text(kinds: Iterable[pa.DataType]) -> pa.DataType | None:
    """The type of text where all of them can be written as text; else None."""
    return pa.string() if all(pa.types.is_null(kind) or _has_text(_plain(kind)) for kind in kinds) else None


def retyped(column: pa.ChunkedArray[Any], kind: pa.DataType) -> pa.ChunkedArray[Any]:
    """A column as another type; raises ArrowException or ValueError for a value that does not go into it.

    A decimal goes into a fraction that is written alike: 19.99 does, twenty digits do not.
    """
    if column.type.equals(kind):
        return column
    if column.null_count == len(column):
        nulls: Any = pa.nulls
        return pa.chunked_array([nulls(len(column), kind)])
    if pa.types.is_floating(column.type) and is_text(kind):  # NaN is no word
        column = pc.if_else(pc.is_nan(column), None, column)
    if not (pa.types.is_decimal(column.type) and pa.types.is_floating(kind)):
        return column.cast(kind)
    found = column.cast(pa.string()).cast(kind)  # the nearest fraction, which a plain cast does not give
    if not found.cast(column.type).equals(column):
        raise ValueError(f"expected {column.type} that {kind} holds")
    return found


def in_one_type(columns: Sequence[pa.ChunkedArray[Any]]) -> list[pa.ChunkedArray[Any]] | None:
    """Columns of one name in several tables as one type that changes no value: as text where no other does.

    None where there is none: lists and text, say. A column without a value has its type by chance (pandas calls it
    float64), so it does not count.
    """
    kinds = [column.type for column in columns if column.null_count < len(column)]
    for kind in (widest(kinds or [column.type for column in columns]), as_text(kinds)):
        if kind is not None:
            with suppress(pa.ArrowException, ValueError):
                return [retyped(column, kind) for column in columns]
    return None


def _plain(kind: pa.DataType) -> pa.DataType:
    """Views and dictionaries are other layouts of the same values."""
    kind = values_type(kind)
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def _has_text(kind: pa.DataType) -> bool:
    """Whether every value can be written as text and told from others by it."""
    types = pa.types
    return (
        is_text(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_temporal(kind)
    )
