"""The Arrow form of vectors: the schema of a table of them, of its parts together, and a matrix as a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import Vectors
from artifact.errors import DataError
from rows import widening
from rows.vectors.column import fixed_length, is_vectors
from rows.vectors.lineage import Lineage


def vector_schema(
    copied: pa.Schema,
    dims: Mapping[str, int],
    *,
    scalars: Mapping[str, pa.DataType] | None = None,
    lineage: Lineage | None = None,
) -> pa.Schema:
    """Schema of a table of vectors: the copied columns, the vector columns, then the scalars.

    Args:
        copied: such as ImageTable.copied_schema; its metadata is left out.
        dims: vector column -> n, for example {"embedding": 64}.
        scalars: further columns, for example {"distance_left_right": float32, "same": bool}.
        lineage: stored in the schema metadata.

    Raises:
        DataError: a copied column has the name of a vector or scalar column.
    """
    added = [(name, pa.list_(pa.float32(), dim)) for name, dim in dims.items()] + list((scalars or {}).items())
    for name, _ in added:
        if name in copied.names:
            raise DataError(
                f'copied column "{name}"',
                expected="a name that the output does not use itself",
                got=", ".join(name for name, _ in added),
                mend="rename it, or do not copy it",
            )
    fields = [pa.field(field.name, field.type) for field in copied] + [pa.field(*pair) for pair in added]
    schema = pa.schema(fields)
    return schema.with_metadata(lineage.to_metadata()) if lineage else schema


def vector_array(matrix: Vectors) -> pa.FixedSizeListArray[Any]:
    """float32 [N, n] as an Arrow array FixedSizeList<float>[n] of length N, without a copy where it is C-contiguous."""
    values = pa.array(np.ascontiguousarray(matrix, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])


def joined_schema(schema: pa.Schema, other: pa.Schema) -> pa.Schema | None:
    """The columns of two parts with types that hold both (rows/widening.py); None where they are not the same columns.

    Vectors keep the type of the first: they are read one part at a time, whatever each part has.
    """
    if schema.equals(other):
        return schema
    if sorted(schema.names) != sorted(other.names) or len(set(schema.names)) < len(schema.names):
        return None
    fields = []
    for field in schema:
        there = other.field(field.name)
        if is_vectors(field.type) and is_vectors(there.type):
            if len({fixed_length(field.type), fixed_length(there.type)} - {None}) > 1:
                return None
            fields.append(field)
            continue
        found = field.type if field.type.equals(there.type) else widening.wider(field.type, there.type)
        if found is None:
            return None
        fields.append(pa.field(field.name, found))
    return pa.schema(fields)


def retyped(table: pa.Table, schema: pa.Schema, *, where: object) -> pa.Table:
    """Columns of one part with the types of the whole table; raises DataError where a value does not fit."""
    if table.schema.equals(schema):
        return table
    try:
        columns = [widening.retyped(table[field.name], field.type) for field in schema]
        return pa.Table.from_arrays(columns, schema=schema)
    except (pa.ArrowException, ValueError) as error:
        expected = f"values that fit in {', '.join(f'{field.name} ({field.type})' for field in schema)}"
        raise DataError("part", expected=expected, got=" ".join(str(error).split())[:200], where=where) from None
