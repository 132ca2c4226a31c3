"""Types that hold the values of two others: of two files of a table, or of two stretches of one.

Decision a reader would question: numbers, dates and truth values that meet text become text, and so do numbers that
meet dates. An id or a label is a name, and "17" beside "A17" is one.
"""

from __future__ import annotations

import pyarrow as pa

from rows.cells import is_text, values_type


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
