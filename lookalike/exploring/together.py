"""Several tables of vectors as one, the rows of one after those of the other.

Decision a reader would question: the vectors of several are copied into one matrix, since a map and neighbours of all
of them need an index of all. One table stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.errors import DataError
from lookalike.exploring.columns import text_cells
from rows.vectors.lineage import require_same_space
from rows.vectors.table import VectorTable
from rows.widening import in_one_type


def require_comparable(tables: Sequence[VectorTable], *, vouched: bool) -> None:
    """See that all tables are of one space and one length; `vouched`: the user named the distance.

    Raises:
        SpaceError: vectors of two spaces. DataError: of two lengths.
    """
    first = tables[0]
    for other in tables[1:]:
        require_same_space(first.lineage, other.lineage, names=(first.source, other.source), vouched=vouched)
        if other.dim != first.dim:
            raise DataError(
                "vectors",
                expected=f"{first.dim} numbers, as {first.source} has",
                got=str(other.dim),
                where=other.source,
            )


def joined(tables: Sequence[VectorTable], label: str | None = None) -> VectorTable:
    """All rows as one table: `id`, the vectors, and the column `label` where any table has it."""
    if len(tables) == 1:
        return tables[0]
    matrix = np.empty((sum(table.num_rows for table in tables), tables[0].dim), np.float32)
    first_row = 0
    for table in tables:
        for batch in table.batches():
            start = first_row + batch.first_row
            matrix[start : start + len(batch)] = batch.vectors
        first_row += table.num_rows
    ids = [name for table in tables for name in table.ids]
    lineage = next((table.lineage for table in tables if table.lineage is not None), None)
    columns: dict[str, Any] = {"id": ids}
    if label is not None and any(label in table.columns for table in tables):
        columns[label] = joined_column(tables, label)
    return VectorTable.from_arrays(matrix, columns, lineage=lineage, source=", ".join(set_names(tables)))


def joined_column(tables: Sequence[VectorTable], name: str) -> pa.ChunkedArray[Any]:
    """A column of all tables, empty in the rows of those without it; texts where no type holds all values."""
    columns = [
        table.column(name) if name in table.schema.names else pa.chunked_array([pa.nulls(table.num_rows)])
        for table in tables
    ]
    found = in_one_type(columns) or [pa.chunked_array([pa.array(text_cells(each), pa.string())]) for each in columns]
    return pa.chunked_array([chunk for column in found for chunk in column.chunks], found[0].type)


def column_names(tables: Sequence[VectorTable]) -> list[str]:
    """Columns that hold no vectors and are not the id, in the order in which they come."""
    names = dict.fromkeys(field.name for table in tables for field in table.other_fields)
    return [name for name in names if name != "id"]


def set_names(tables: Sequence[VectorTable]) -> list[str]:
    """A short name of each table, none twice: that of its file or folder."""
    plain = [Path(table.source).stem or table.source for table in tables]
    names: list[str] = []
    for at, name in enumerate(plain):
        parent = Path(tables[at].source).resolve().parent.name
        if plain.count(name) > 1 and parent:
            name = f"{parent}/{name}"
        while name in names:
            name += "'"
        names.append(name)
    return names
