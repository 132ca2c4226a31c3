"""Tables of vectors with their lineage: read as one float32 matrix, or a batch of rows at a time in bounded memory.

A table is a folder of part-*.parquet (what scoring writes), or one Parquet file. Any Parquet file with a column of
lists of numbers will do (rows/vectors/column.py); without our metadata its lineage is unknown.

Decision a reader would question: parts are the same table where their columns have the same names. Their order and type
are whatever the last program made of them (pandas gives a column of nulls no type), so they are widened to one type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact.arrays import Vectors
from artifact.dims import as_dims
from artifact.errors import DataError, SpaceError, UsageError
from rows.vectors.column import find_column, first_length, is_left_out, no_column, to_matrix
from rows.vectors.cut_vectors import CutVectors
from rows.vectors.lineage import Lineage, require_same_space
from rows.vectors.parts import folder_parts, job_facts, part_batches, part_facts, read_column
from rows.vectors.schema import joined_schema, retyped, vector_array

BATCH_BYTES = 1 << 25
"""Of the vectors in one batch: 65,536 rows of 128 dims."""

_CELLS = 1024
"""Rows that are looked at together for the length of their lists."""


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


class VectorTable:
    """Vectors with their ids, copied columns and lineage; columns are read when they are asked for.

    Attributes:
        source: file or folder, for messages.
        vector_column: the column that `matrix` is.
        schema: all columns.
        lineage: None for vectors that no Lookalike artifact gave.
        num_rows, dim: N and n of the matrix.
    """

    def __init__(self, parts: list[Path] | pa.Table, *, source: str, column: str | None = None) -> None:
        if isinstance(parts, str | Path):
            raise UsageError(
                "parts of a table", expected="VectorTable.open, for a path", got=f"the path {str(parts)!r}"
            )
        self.source, self._parts = source, parts
        if isinstance(parts, pa.Table):
            schemas, counts = [parts.schema], [parts.num_rows]
        else:
            opened = [part_facts(part) for part in parts]
            schemas, counts = [schema for schema, _ in opened], [count for _, count in opened]
        self.schema, self.num_rows, self._counts = schemas[0], sum(counts), counts
        self.lineage = Lineage.from_metadata(self.schema.metadata, where=source)
        for number, schema in enumerate(schemas[1:], start=1):
            self._join(schema, parts[number])
        if not self.num_rows:
            raise DataError("table of vectors", expected="rows", got="none", where=source)
        self.vector_column = find_column(self.schema, column, where=source, cells=self._cells)
        kind = self.schema.field(self.vector_column).type
        self.dim = first_length(kind, self.vector_column, where=source, cells=self._cells(self.vector_column))
        self._stored_dim, self._cut = self.dim, None  # type: int, CutVectors | None

    @classmethod
    def open(cls, path: str | Path, column: str | None = None) -> VectorTable:
        """Open the output folder of a scoring job, or one Parquet file.

        Args:
            path: folder of part-*.parquet, or a file.
            column: the vector column; `embedding_<stream>` in the output of a full artifact. None: `embedding`, or
                where there is none the only column of lists of numbers that have one length.

        Raises:
            DataError: nothing there, no parts, an unfinished job, no such column, one that is not of lists of numbers,
                or several that could be meant.
            SpaceError: parts of two spaces.
        """
        path = Path(path)
        if path.is_dir():
            return cls(folder_parts(path), source=str(path), column=column)
        if not path.exists():
            raise DataError("table of vectors", expected="a folder or a Parquet file", got="nothing there", where=path)
        return cls([path], source=str(path), column=column)

    @classmethod
    def of(cls, table: VectorTable | str | Path) -> VectorTable:
        """A table as it is, or what `open` gives for a path; raises UsageError for anything else."""
        if isinstance(table, VectorTable):
            return table
        if not isinstance(table, str | Path):
            raise UsageError("table of vectors", expected="a VectorTable or a path", got=f"a {type(table).__name__}")
        return cls.open(table)

    @classmethod
    def from_arrays(
        cls,
        matrix: Vectors,
        columns: Mapping[str, Any] | None = None,
        *,
        lineage: Lineage | None = None,
        column: str = "embedding",
        source: str = "vectors in memory",
    ) -> VectorTable:
        """A table in memory: float32 [N, n] and other columns of N values each (give `id` among them)."""
        table = pa.table({**(columns or {}), column: vector_array(matrix)})
        table = table.replace_schema_metadata(lineage.to_metadata() if lineage else None)
        return cls(table, source=source, column=column)

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        return list(self.schema.names)

    @cached_property
    def ids(self) -> list[str]:
        """Column `id` as text; row numbers from 0 where there is none."""
        if "id" not in self.schema.names:
            return [str(row) for row in range(self.num_rows)]
        return [str(value) for value in self.column("id").to_pylist()]

    @cached_property
    def matrix(self) -> Vectors:
        """float32 [N, n], C-contiguous and read-only; no copy where the table is in one chunk.

        Raises:
            DataError: a row without a vector.
        """
        if isinstance(self._parts, pa.Table) and self._parts[self.vector_column].num_chunks == 1:
            matrix = self._matrix_of(self._parts[self.vector_column].chunk(0), 0)
        else:
            matrix = np.empty((self.num_rows, self.dim), np.float32)
            for batch in self.batches():
                matrix[batch.first_row : batch.first_row + len(batch)] = batch.vectors
        matrix.flags.writeable = False
        return matrix

    def batches(self, columns: Sequence[str] = (), *, num_rows: int | None = None) -> Iterator[VectorBatch]:
        """All rows in order, some at a time; memory is that of a batch and of a megabyte a column.

        Args:
            columns: further columns to read.
            num_rows: of a batch at most; by default what makes BATCH_BYTES of vectors.

        Raises:
            UsageError: num_rows below 1. DataError: no such column, a row without a vector, a damaged part.
        """
        if num_rows is not None and num_rows < 1:
            raise UsageError("num_rows", expected="at least 1", got=str(num_rows))
        for name in columns:
            if name not in self.schema.names:
                raise no_column(self.schema, name, self.source)
        yield from self._batches(columns, num_rows)

    def take(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """The vectors of some rows, a batch of the table in memory besides; parts that hold none of them are not read.

        Args:
            rows: int64 [m], rising, within the table.

        Returns:
            float32 [m, n].
        """
        if len(rows) and (rows[0] < 0 or rows[-1] >= self.num_rows or (np.diff(rows) < 0).any()):
            raise UsageError("rows", expected=f"rising numbers of 0 to {self.num_rows - 1}", got="others")
        taken = np.empty((len(rows), self.dim), np.float32)
        for batch in self._batches((), None, rows):
            first, last = np.searchsorted(rows, (batch.first_row, batch.first_row + len(batch)))
            taken[first:last] = batch.vectors[rows[first:last] - batch.first_row]
        return taken

    def _batches(
        self, columns: Sequence[str], num_rows: int | None, rows: npt.NDArray[np.int64] | None = None
    ) -> Iterator[VectorBatch]:
        """All batches, or those of the parts that hold any of these rows (rising)."""
        stored = [name for name in columns if self._cut is None or name not in self._cut.computed]
        computed = {name: self.column(name) for name in columns if name not in stored}
        names = list(dict.fromkeys((*stored, self.vector_column)))
        wanted = pa.schema([self.schema.field(name) for name in stored])
        size = num_rows or max(1, BATCH_BYTES // (4 * self._stored_dim))
        parts: list[Any] = [self._parts] if isinstance(self._parts, pa.Table) else self._parts
        first_row = 0
        for part, count in zip(parts, self._counts, strict=True):
            end_row = first_row + count
            if rows is None or np.searchsorted(rows, first_row) < np.searchsorted(rows, end_row):
                for chunk in part_batches(part, names, size):
                    found = retyped(pa.Table.from_batches([chunk.select(stored)]), wanted, where=part)
                    if computed:
                        values = {name: each.slice(first_row, chunk.num_rows) for name, each in computed.items()}
                        found = pa.table({name: values[name] if name in values else found[name] for name in columns})
                    yield VectorBatch(
                        first_row=first_row,
                        vectors=self._matrix_of(chunk.column(self.vector_column), first_row),
                        columns=found,
                    )
                    first_row += chunk.num_rows
            first_row = end_row

    @property
    def images(self) -> Path | None:
        """The folder of images that was scored, where the job says so and it is still there: ids are paths in it."""
        source = job_facts(Path(self.source)).get("source")
        return Path(source).resolve() if isinstance(source, str) and Path(source).is_dir() else None

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        """One column of all rows, in table order; raises DataError where there is none of that name."""
        if name not in self.schema.names:
            raise no_column(self.schema, name, self.source)
        if self._cut is not None and name in self._cut.computed:
            return self._cut.column(name, lambda each: (batch.vectors for batch in self.with_vectors(each).batches()))
        if isinstance(self._parts, pa.Table):
            return self._parts[name]
        wanted, chunks = pa.schema([self.schema.field(name)]), []
        for part in self._parts:
            for chunk in read_column(part, name):
                chunks += retyped(pa.table({name: chunk}), wanted, where=part)[name].chunks
        return pa.chunked_array(chunks, wanted.field(name).type)

    def with_vectors(self, column: str) -> VectorTable:
        """The same table with `matrix` from another vector column."""
        return VectorTable(self._parts, source=self.source, column=column).cut(self.dim if self._cut else None)

    def cut(self, dims: int | None) -> VectorTable:
        """The same table with the first `dims` numbers of each vector; as it is for None and for its own width.

        Distances between the vectors of a row, and the decision at the threshold, are those of the prefixes too; a
        column of losses is left out.

        Raises:
            UsageError: the table's lineage promises no such prefix, or there is none; or `dims` is no whole number.
        """
        if dims is None:
            return self
        dims = as_dims(dims, where=self.source)
        if dims == self.dim:
            return self
        cut = CutVectors.of(self.schema, self.lineage, dims, whole=self.dim, where=self.source)
        table = copy(self)
        table.__dict__.pop("matrix", None)
        table._cut, table.dim, table.lineage, table.schema = cut, dims, cut.lineage, cut.schema
        return table

    @property
    def other_fields(self) -> list[pa.Field[Any]]:
        """Every column that holds no vectors."""
        return [field for field in self.schema if not is_left_out(field, self.vector_column)]

    def copied(self) -> pa.Table:
        """Every column that holds no vectors, with the lineage in the schema metadata."""
        table = pa.table({field.name: self.column(field.name) for field in self.other_fields})
        return table.replace_schema_metadata(self.lineage.to_metadata() if self.lineage else None)

    def _join(self, schema: pa.Schema, part: Any) -> None:
        """See that one more part is of this table, and widen the types to what it has."""
        name = Path(part).name
        other = Lineage.from_metadata(schema.metadata, where=part)
        try:
            require_same_space(self.lineage, other, names=("the first part", name))
        except SpaceError as error:
            raise error.but(where=self.source, mend="score into a new folder") from None
        joined = joined_schema(self.schema, schema)
        if joined is None:
            raise DataError("part", expected="the columns of the first part", got="other columns", where=part)
        self.schema = joined.with_metadata(self.schema.metadata)

    def _cells(self, name: str) -> Iterator[pa.Array[Any]]:
        """The cells of one column in pieces of a bounded size."""
        for part in [self._parts] if isinstance(self._parts, pa.Table) else self._parts:
            for batch in part_batches(part, [name], _CELLS):
                yield batch.column(name)

    def _matrix_of(self, chunk: Any, first_row: int) -> Vectors:
        whole = to_matrix(chunk, self._stored_dim, name=self.vector_column, first_row=first_row, where=self.source)
        return whole if self._cut is None else self._cut.vectors(whole)
