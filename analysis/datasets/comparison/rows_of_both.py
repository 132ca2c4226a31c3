"""The rows of two tables as one file: ids, the set of each row, the copied columns of both, and what is known of it.

A column that only one table has is null in the rows of the other, and one whose two types no type holds is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.datasets.comparison.comparison import Comparison
from analysis.datasets.comparison.two_sets import SETS
from analysis.neighbours.batches import rows_with_ids
from rows.vectors.parts import require_not_input, write_part
from rows.vectors.table import VectorTable
from rows.widening import in_one_type


@dataclass(frozen=True, kw_only=True)
class LostColumns:
    """Copied columns that are not in the file: those that gave way to ours, and those that no type holds."""

    replaced: list[str]
    unlike: list[str]


def write_rows(a: VectorTable, b: VectorTable, found: Comparison, output: str | Path) -> LostColumns:
    """Write the rows of A, then those of B, to a Parquet file with the lineage in its schema metadata.

    Its columns: `id`, `set` (A or B), the copied ones of both, `p_other` and `neighbours_other` (float64), `region`
    (int32).

    Raises:
        UsageError: the output is one of the tables. OutputError: it cannot be written.
    """
    for table in (a, b):
        require_not_input(output, table.source)
    tables = [rows_with_ids(table) for table in (a, b)]
    counts = [table.num_rows for table in tables]
    places: dict[str, Any] = {"set": pa.array(np.repeat(SETS, counts))}
    answers: dict[str, Any] = {
        "p_other": pa.array(found.p_other, from_pandas=True),  # null where there is no classifier
        "neighbours_other": pa.array(found.neighbours_other),
        "region": pa.array(found.region, pa.int32()),
    }
    ours = places | answers
    copied: dict[str, Any] = {}
    replaced, unlike = [], []
    for name in dict.fromkeys(tables[0].schema.names + tables[1].schema.names):
        parts = [table[name] if name in table.schema.names else None for table in tables]
        if name in ours:
            replaced.append(name)
        elif (joined := _joined(parts, counts)) is not None:
            copied[name] = joined
        elif name != "id":
            unlike.append(name)
    ids = copied.pop("id", None)
    if ids is None:  # numbers in one table, say, and bytes in the other
        ids = pa.array(a.ids + b.ids)
    metadata = tables[0].schema.metadata or tables[1].schema.metadata
    write_part(output, pa.table({"id": ids, **places, **copied, **answers}).replace_schema_metadata(metadata))
    return LostColumns(replaced=replaced, unlike=unlike)


def _joined(parts: list[pa.ChunkedArray[Any] | None], counts: list[int]) -> pa.ChunkedArray[Any] | None:
    """A column of both tables; None where no type holds both."""
    columns = [
        part if part is not None else pa.chunked_array([pa.nulls(count)])
        for part, count in zip(parts, counts, strict=True)
    ]
    found = in_one_type(columns)
    return None if found is None else pa.chunked_array([chunk for column in found for chunk in column.chunks])
