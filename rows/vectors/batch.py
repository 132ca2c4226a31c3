"""A batch of rows of a table of vectors."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from artifact.arrays import Vectors


@dataclass(frozen=True, kw_only=True)
class VectorBatch:
    """Some rows in table order.

    Attributes:
        first_row: number of the first of them in the table, from 0.
        vectors: float32 [m, n], read-only.
        columns: Arrow table of m rows, the columns asked for.
    """

    first_row: int
    vectors: Vectors
    columns: pa.Table

    def __len__(self) -> int:
        return len(self.vectors)
