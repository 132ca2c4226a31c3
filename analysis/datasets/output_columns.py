"""Columns of ours beside those of a table, in a Parquet file of its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.neighbours.batches import rows_with_ids
from artifact.arrays import Indices
from rows.vectors.parts import require_not_input, write_part
from rows.vectors.table import VectorTable


def write_with_columns(
    table: VectorTable, ours: dict[str, Any], output: str | Path, *, rows: Indices | None = None
) -> list[str]:
    """Write `id` and the copied columns with some of ours; the lineage goes along.

    Args:
        ours: {name: Arrow array of N values, or of m}.
        rows: int64 [m], the rows to write in their order; None: all.

    Returns:
        Names of copied columns that gave way to ours.

    Raises:
        UsageError: the output is the table. OutputError: it cannot be written.
    """
    require_not_input(output, table.source)
    copied = rows_with_ids(table)
    twice = [name for name in ours if name in copied.schema.names and name != "id"]
    copied = copied.drop_columns(twice)
    if rows is not None:
        copied = copied.take(rows)
    for name, values in ours.items():
        copied = copied.append_column(name, values)
    write_part(output, copied)
    return twice
