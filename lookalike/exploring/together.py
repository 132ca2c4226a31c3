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
from rows.vectors.lineage import require_same_space
from rows.vectors.table import VectorTable


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
    """A column of all tables, empty in the rows of those without it; texts where types do not agree."""
    kinds = [table.schema.field(name).type for table in tables if name in table.schema.names]
    kind: Any = _common(kinds)
    chunks: list[Any] = []
    for table in tables:
        if name not in table.schema.names:
            chunks.append(pa.nulls(table.num_rows, kind))
            continue
        cells = table.column(name)
        if cells.type != kind:
            cells = cells.cast(kind) if not pa.types.is_nested(cells.type) else _as_text(cells)
        chunks += cells.chunks
    joined_cells: pa.ChunkedArray[Any] = pa.chunked_array(chunks, kind)
    return joined_cells


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


def _common(kinds: Sequence[pa.DataType]) -> pa.DataType:
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    known = [kind for kind in kinds if not pa.types.is_null(kind)]
    if all(kind == known[0] for kind in known[1:]):
        return known[0] if known else pa.string()
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in known):
        return pa.float64()
    return pa.string()


def _as_text(cells: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    told: pa.Array[Any] = pa.array([None if value is None else str(value) for value in cells.to_pylist()], pa.string())
    return pa.chunked_array([told])
