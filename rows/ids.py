"""Ids as text: how rows of two tables, lists of ids and words of a command find each other.

Decision a reader would question: a whole number is 7 and not 7.0, for pandas makes floats of whole numbers as soon as
one of a column is missing, and the same rows would have other names then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rows.cells import is_text, values_type


def id_as_text(value: Any) -> str:
    """An id as text; what is neither text nor a whole number as Python writes it."""
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def ids_as_text(ids: Any) -> Any:
    """A column of ids as an array of large_string, as `id_as_text` writes them; null stays null."""
    kind = values_type(ids.type)
    if not is_text(kind) and not pa.types.is_integer(kind):
        return pa.array([None if each is None else id_as_text(each) for each in ids.to_pylist()], pa.large_string())
    return pc.cast(ids.cast(kind) if not ids.type.equals(kind) else ids, pa.large_string()).combine_chunks()


def repeated_id(ids: Any) -> str | None:
    """What to say of an id that comes twice, with its first two rows; None where each comes once.

    Args:
        ids: large_string, as `ids_as_text` gives them; null is no id.
    """
    counts = pc.value_counts(ids.drop_null())
    twice = counts.filter(pc.greater(counts.field("counts"), pa.scalar(1, pa.int64())))
    if not len(twice):
        return None
    name = twice[0]["values"].as_py()
    rows = pc.indices_nonzero(pc.equal(ids, pa.scalar(name, pa.large_string()))).to_pylist()
    return f"{name!r} in rows {rows[0]} and {rows[1]}"


def named_ids(words: Sequence[str], kind: pa.DataType) -> list[str]:
    """Ids that somebody wrote, as `ids_as_text` of a column of that type has them: of floats 7.0 too is 7."""
    if not pa.types.is_floating(kind) and not pa.types.is_decimal(kind):
        return list(words)
    found = []
    for word in words:
        with suppress(ValueError):
            word = id_as_text(float(word))
        found.append(word)
    return found
