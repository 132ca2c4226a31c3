"""A column of vectors that a table does not have itself: it is made of others, which it replaces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from artifact.arrays import Indices
from rows.vectors.stored import Numbered, StoredRows


class MadeColumn(ABC):
    """What makes one column of vectors, batch by batch.

    Attributes:
        name: of the column.
        made_from: the columns that it replaces.
        type: lists of numbers.
    """

    name: str
    made_from: Sequence[str]
    type: pa.DataType

    @abstractmethod
    def array(self, batch: pa.RecordBatch, first_row: int) -> pa.Array[Any]:
        """The vectors of some rows.

        Args:
            batch: with the columns `made_from`.
            first_row: number of the first of them in the table, for messages.

        Raises:
            DataError: a cell that is none of what the column is made of.
        """

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The columns of the table then."""
        kept = [field for field in schema if field.name not in self.made_from]
        return pa.schema([*kept, pa.field(self.name, self.type)]).with_metadata(schema.metadata)

    def added(self, batches: Iterator[Numbered], columns: Sequence[str]) -> Iterator[Numbered]:
        """Batches of `columns`, this one among them, from batches with what it is made of."""
        for first_row, batch in batches:
            made = self.array(batch, first_row)
            arrays = [made if name == self.name else batch.column(name) for name in columns]
            yield first_row, pa.RecordBatch.from_arrays(arrays, names=list(columns))


class MadeRows(StoredRows):
    """Rows with such a column, made whenever they are read."""

    def __init__(self, rows: StoredRows, column: MadeColumn) -> None:
        self._rows, self._column = rows, column
        self.schema, self.num_rows = column.schema(rows.schema), rows.num_rows

    def batches(self, columns: Sequence[str], num_rows: int, wanted: Indices | None = None) -> Iterator[Numbered]:
        if self._column.name not in columns:
            yield from self._rows.batches(columns, num_rows, wanted)
            return
        others = [name for name in columns if name != self._column.name]
        yield from self._column.added(self._rows.batches([*others, *self._column.made_from], num_rows, wanted), columns)

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        return super().column(name) if name == self._column.name else self._rows.column(name)
