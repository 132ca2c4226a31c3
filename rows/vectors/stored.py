"""Stored rows of a table of vectors, in order: Parquet parts, or a table in memory; rows/vectors/own has further ones.

Decision a reader would question: parts are the same table where their columns have the same names. Their order and type
are whatever the last program made of them (pandas gives a column of nulls no type), so they are widened to one type.
Vectors stay as each part has them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from artifact.arrays import Indices
from artifact.errors import DataError, SpaceError
from rows.vectors.column import is_vectors
from rows.vectors.lineage import Lineage, require_same_space
from rows.vectors.parts import part_batches, part_facts, read_column
from rows.vectors.schema import joined_schema, retyped

Numbered: TypeAlias = tuple[int, pa.RecordBatch]
"""Some rows, and the number of the first of them in the table."""

_ROWS_OF_A_COLUMN = 65_536


class StoredRows(ABC):
    """The rows of one table, read in order and any number of times.

    Attributes:
        schema: all columns, with the metadata of the table.
        num_rows: how many rows there are.
    """

    schema: pa.Schema
    num_rows: int

    @abstractmethod
    def batches(self, columns: Sequence[str], num_rows: int, wanted: Indices | None = None) -> Iterator[Numbered]:
        """Some columns of all rows in order, up to `num_rows` at a time.

        Args:
            columns: names of the schema, at least one.
            wanted: int64, rising: rows that hold none of these may be left out.

        Raises:
            DataError: the file is damaged further down.
        """

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        """One column of all rows."""
        chunks = [batch.column(0) for _, batch in self.batches([name], _ROWS_OF_A_COLUMN)]
        return pa.chunked_array(chunks, self.schema.field(name).type)


class TableRows(StoredRows):
    """A table in memory."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.schema, self.num_rows = table.schema, table.num_rows

    def batches(self, columns: Sequence[str], num_rows: int, wanted: Indices | None = None) -> Iterator[Numbered]:
        yield from numbered(part_batches(self.table, columns, num_rows))

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        return self.table[name]


class PartRows(StoredRows):
    """Parquet files, one behind the other.

    Args:
        parts: in order.
        source: the table, for messages.
    """

    def __init__(self, parts: Sequence[Path], *, source: str) -> None:
        self._parts = list(parts)
        opened = [part_facts(part) for part in parts]
        self._counts = [count for _, count in opened]
        self.num_rows = sum(self._counts)
        self.schema = opened[0][0]
        lineage = Lineage.from_metadata(self.schema.metadata, where=source)
        for part, (schema, _) in zip(self._parts[1:], opened[1:], strict=True):
            self._join(schema, part, lineage, source)

    def batches(self, columns: Sequence[str], num_rows: int, wanted: Indices | None = None) -> Iterator[Numbered]:
        first_row = 0
        for part, count in zip(self._parts, self._counts, strict=True):
            end_row = first_row + count
            if wanted is None or np.searchsorted(wanted, first_row) < np.searchsorted(wanted, end_row):
                for batch in part_batches(part, columns, num_rows):
                    yield first_row, self._retyped(batch, part)
                    first_row += batch.num_rows
            first_row = end_row

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        wanted, chunks = pa.schema([self.schema.field(name)]), []
        for part in self._parts:
            for chunk in read_column(part, name):
                chunks += retyped(pa.table({name: chunk}), wanted, where=part)[name].chunks
        return pa.chunked_array(chunks, wanted.field(name).type)

    def _retyped(self, batch: pa.RecordBatch, part: Path) -> pa.RecordBatch:
        """The rows of one part with the types of the table; vectors as they are."""
        there = [batch.schema.field(name) for name in batch.schema.names]
        here = [field if is_vectors(field.type) else self.schema.field(field.name) for field in there]
        if all(field.type.equals(other.type) for field, other in zip(there, here, strict=True)):
            return batch
        table = retyped(pa.Table.from_batches([batch]), pa.schema(here), where=part)
        return one_batch(table)

    def _join(self, schema: pa.Schema, part: Path, lineage: Lineage | None, source: str) -> None:
        """See that one more part is of this table, and widen the types to what it has."""
        other = Lineage.from_metadata(schema.metadata, where=part)
        try:
            require_same_space(lineage, other, names=("the first part", part.name))
        except SpaceError as error:
            raise error.but(where=source, mend="score into a new folder") from None
        joined = joined_schema(self.schema, schema)
        if joined is None:
            raise DataError("part", expected="the columns of the first part", got="other columns", where=part)
        self.schema = joined.with_metadata(self.schema.metadata)


def numbered(batches: Iterator[pa.RecordBatch], first_row: int = 0) -> Iterator[Numbered]:
    """Batches that follow each other, each with the number of its first row."""
    for batch in batches:
        yield first_row, batch
        first_row += batch.num_rows


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """All rows of a table, which are few, as one batch."""
    columns: list[Any] = []
    for column in table.columns:
        whole: Any = column.combine_chunks()
        columns.append(whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole)
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)
