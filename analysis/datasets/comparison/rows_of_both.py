"""The rows of two tables as one file: ids, the set of each row, the copied columns of both, and what is known of it.

A column that only one table has is null in the rows of the other, and one whose two types no type holds is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.datasets.comparison.two_sets import SETS
from analysis.neighbours.batches import rows_with_ids
from rows.vectors.parts import write_part
from rows.vectors.table import VectorTable
from rows.widening import wider

SET = "set"


def write_rows(output: str | Path, a: VectorTable, b: VectorTable, answers: Mapping[str, pa.Array[Any]]) -> None:
    """Write the rows of A, then those of B, to a Parquet file with the lineage in its schema metadata.

    Args:
        answers: columns of all rows; they take the place of copied ones of the same name, from an earlier comparison.

    Raises:
        OutputError: the file cannot be written.
    """
    tables = [rows_with_ids(table) for table in (a, b)]
    counts = [table.num_rows for table in tables]
    names = list(dict.fromkeys(tables[0].schema.names + tables[1].schema.names))
    columns: dict[str, Any] = {"id": None, SET: pa.array(np.repeat(SETS, counts))}
    for name in names:
        if name not in answers and name != SET:
            joined = _joined([table[name] if name in table.schema.names else None for table in tables], counts)
            if joined is not None:
                columns[name] = joined
    if columns["id"] is None:  # numbers in one table, say, and bytes in the other
        columns["id"] = pa.array(a.ids + b.ids)
    metadata = tables[0].schema.metadata or tables[1].schema.metadata
    write_part(output, pa.table({**columns, **answers}).replace_schema_metadata(metadata))


def _joined(parts: list[pa.ChunkedArray[Any] | None], counts: list[int]) -> pa.ChunkedArray[Any] | None:
    """A column of both tables; None where no type holds both."""
    kinds = [part.type if part is not None else pa.null() for part in parts]
    kind = wider(*kinds)
    if kind is None:
        return None
    columns = [
        pa.table({"": part}) if part is not None else pa.table({"": pa.array([None] * count)})
        for part, count in zip(parts, counts, strict=True)
    ]
    return pa.concat_tables([column.cast(pa.schema([("", kind)])) for column in columns])[""]
