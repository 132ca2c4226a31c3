"""Ids and columns of rows that come into an index: one row an id, and types that hold what was there and what comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifact.errors import DataError
from rows.cells import values_type
from rows.widening import retyped, wider


def read_ids(file: Path) -> list[str]:
    """The ids in a text file, one a line; empty lines are none. Raises DataError where it is no text."""
    try:
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except OSError as error:
        raise DataError("list of ids", expected="a text file", got=error.strerror or str(error), where=file) from None
    except UnicodeDecodeError:
        raise DataError("list of ids", expected="text in UTF-8, an id a line", got="other bytes", where=file) from None
    return [line.removesuffix("\r") for line in lines if line.removesuffix("\r")]


def require_one_each(ids: Any, *, where: str) -> None:
    """See that every row has an id of its own."""
    if ids.null_count:
        raise DataError("ids to add", expected="one in every row", got=f"none in {ids.null_count:,} rows", where=where)
    numbers = np.asarray(pc.dictionary_encode(ids).indices)
    _, first = np.unique(numbers, return_index=True)
    if len(first) < len(numbers):
        again = np.setdiff1d(np.arange(len(numbers)), first)
        got = f"{len(again):,} rows with the id of another, first {ids[int(again[0])].as_py()!r}"
        raise DataError("ids to add", expected="one row for each id", got=got, where=where)


def of_one_type(rows: pa.Table, coming: pa.Table, *, where: str) -> tuple[pa.Table, pa.Table, list[str]]:
    """Both with columns of types that hold the values of both, and what is to be told of that."""
    notes, kinds = [], {}
    for there in rows.schema:
        other = coming.schema.field(there.name).type
        kind = (
            values_type(there.type) if values_type(there.type).equals(values_type(other)) else wider(there.type, other)
        )
        if kind is None:
            raise DataError(
                f'column "{there.name}"', expected=f"{there.type}, as in the index", got=str(other), where=where
            )
        if not kind.equals(values_type(there.type)):
            notes.append(f'column "{there.name}" of the index is {kind} from now on, and was {there.type}')
        kinds[there.name] = kind
    try:
        both = [pa.table({name: retyped(each[name], kind) for name, kind in kinds.items()}) for each in (rows, coming)]
    except (pa.ArrowException, ValueError) as error:
        got = " ".join(str(error).split())[:200]
        raise DataError("rows to add", expected="values as the index has", got=got, where=where) from None
    return both[0], both[1], notes
