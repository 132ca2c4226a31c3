"""Rows of a table for what works on it: checked vectors, a batch or some of them at a time, and checked columns.

A number that is not finite is named by its row in the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from artifact.arrays import Flags, Indices, Numbers, Vectors
from artifact.errors import DataError
from rows.vectors.column import no_column, require_finite
from rows.vectors.table import VectorBatch, VectorTable


def checked_batches(
    table: VectorTable, columns: Sequence[str] = (), *, num_rows: int | None = None
) -> Iterator[VectorBatch]:
    """Batches as VectorTable.batches gives them; raises DataError at the first row with a number that is not finite."""
    for batch in table.batches(columns, num_rows=num_rows):
        require_finite(batch.vectors, first_row=batch.first_row, where=table.source)
        yield batch


def checked_rows(table: VectorTable, rows: Indices) -> Vectors:
    """float32 [m, n] of some rows (rising); raises DataError where a number of theirs is not finite."""
    taken = table.take(rows)
    require_finite(taken, rows=rows, where=table.source)
    return taken


def checked_matrix(table: VectorTable) -> Vectors:
    """float32 [N, n] of all rows; raises DataError where a number is not finite."""
    require_finite(table.matrix, where=table.source)
    return table.matrix


def require_columns(table: VectorTable, names: Sequence[str] | None) -> None:
    """Raise DataError where a table lacks one of these columns, `id` apart, or holds vectors in it."""
    fields = [field.name for field in table.fields_beside]
    for name in names or ():
        if name not in fields and name != "id":
            if name in table.columns:
                raise DataError(f'column "{name}"', expected="one without vectors", got="vectors", where=table.source)
            raise no_column(table.schema, name, table.source)


def rows_with_ids(table: VectorTable, columns: Sequence[str] | None = None) -> pa.Table:
    """`id` (row numbers as text where the table has none) and the columns asked for; None: VectorTable.other_fields."""
    copied = table.copied(columns if columns is None else ["id", *columns])
    if "id" in copied.schema.names:
        return copied
    named = {"id": pa.array(table.ids), **{name: copied[name] for name in copied.schema.names}}
    return pa.table(named).replace_schema_metadata(copied.schema.metadata)


def number_column(table: VectorTable, name: str, rows: Flags | None = None) -> Numbers:
    """A column as float64 [N], or of some rows alone; raises DataError where a row has no number."""
    column = table.column(name)
    if rows is not None:
        column = column.filter(pa.array(rows))
    try:
        values = np.asarray(column.to_numpy(), np.float64)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if column.null_count or np.isnan(values).any():
        raise DataError(f'column "{name}"', expected="a number in every row", got="none in some", where=table.source)
    return values
