"""The Arrow form of vectors: the schema of a table of them, and a matrix as a column of FixedSizeList<float>."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import Vectors
from artifact.errors import DataError
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
