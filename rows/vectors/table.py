"""Tables of vectors with their lineage: read as one float32 matrix, or a batch of rows at a time in bounded memory.

A table is a folder of part-*.parquet (what scoring writes), or one file that holds vectors in any of the formats of
rows/vectors/own; without our metadata its lineage is unknown. Of a file those rows are left out that have no finite
vector (rows/vectors/left_out.py); every number of a row here is then one of those that are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact.arrays import Indices, Vectors
from artifact.dims import as_dims
from artifact.errors import DataError, UsageError
from rows.cells import holds_bytes
from rows.ids import id_as_text
from rows.vectors.batch import VectorBatch
from rows.vectors.column import find_column, first_length, is_left_out, no_column, to_matrix
from rows.vectors.cut_vectors import CutVectors
from rows.vectors.left_out import KeptRows, LeftOut, without_unusable
from rows.vectors.lineage import Lineage
from rows.vectors.named_images import NamedImages
from rows.vectors.own.joined import with_columns_from
from rows.vectors.own.opening import open_rows
from rows.vectors.parts import job_facts
from rows.vectors.schema import retyped, vector_array
from rows.vectors.stored import PartRows, StoredRows, TableRows

__all__ = ["BATCH_BYTES", "VectorBatch", "VectorTable"]

BATCH_BYTES = 1 << 25
"""Of the vectors in one batch: 65,536 rows of 128 dims."""

_CELLS = 1024
"""Rows that are looked at together for the length of their lists."""


class VectorTable:
    """Vectors with their ids, copied columns and lineage; columns are read when they are asked for.

    Attributes:
        source: file or folder, for messages.
        vector_column: the column that `matrix` is.
        schema: all columns.
        lineage: None for vectors that no Lookalike artifact gave.
        num_rows, dim: N and n of the matrix.
        notes: what who reads the table should be told of how it was read, a line each.
    """

    def __init__(self, parts: list[Path] | pa.Table | StoredRows, *, source: str, column: str | None = None) -> None:
        if isinstance(parts, str | Path):
            raise UsageError(
                "parts of a table", expected="VectorTable.open, for a path", got=f"the path {str(parts)!r}"
            )
        if isinstance(parts, pa.Table):
            parts = TableRows(parts)
        self.source = source
        self._rows = parts if isinstance(parts, StoredRows) else PartRows(parts, source=source)
        self.schema, self.num_rows = self._rows.schema, self._rows.num_rows
        self.notes: Sequence[str] = ()
        self.lineage = Lineage.from_metadata(self.schema.metadata, where=source)
        if not self.num_rows:
            raise DataError("table of vectors", expected="rows", got="none", where=source)
        self.vector_column = find_column(self.schema, column, where=source, cells=self._cells)
        self.dim = self._stored_dim = self._length(self.vector_column)
        self._cut: CutVectors | None = None

    @classmethod
    def open(
        cls, path: str | Path, column: str | None = None, *, columns_from: str | Path | None = None
    ) -> VectorTable:
        """Open the output folder of a scoring job, or one file of vectors; docs/vectors.md names the formats.

        Rows without a finite vector are left out: `left_out` says which.

        Args:
            path: folder of part-*.parquet, or a file.
            column: the vector column; `embedding_<stream>` in the output of a full artifact. None: `embedding`, or
                where there is none the only column of lists of numbers that have one length, or the only numbered
                columns (e0, e1, ...), which are asked for by what stands before the number.
            columns_from: a table of further columns, such as ids and labels beside an array: a row for each of `path`,
                in the same order or, where both have ids, by id.

        Raises:
            DataError: nothing there, no parts, an unfinished job, no such column, one that is not of lists of numbers,
                several that could be meant, or another number of rows or ids in `columns_from`.
            SpaceError: parts of two spaces.
        """
        opened = open_rows(Path(path), column)
        rows = opened.rows
        if columns_from is not None:
            rows = with_columns_from(rows, Path(columns_from), vectors=str(path), column=opened.column)
        table = cls(rows, source=str(path), column=opened.column)
        table.notes = opened.notes
        return table._without_unusable()

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
        """Column `id` as text; where there is none, row numbers from 0 in the file."""
        if "id" not in self.schema.names:
            return list(map(str, self.row_numbers.tolist()))
        return list(map(id_as_text, self.column("id").to_pylist()))

    @property
    def row_numbers(self) -> Indices:
        """int64 [N], rising: the number in the file of each row, from 0."""
        return self._rows.row_numbers if isinstance(self._rows, KeptRows) else np.arange(self.num_rows, dtype=np.int64)

    @property
    def left_out(self) -> LeftOut:
        """The rows of the file that are not here, for they have no finite vector; none of a table in memory."""
        if isinstance(self._rows, KeptRows):
            return self._rows.left_out
        return LeftOut(rows=np.empty(0, np.int64), num_stored=self.num_rows)

    @cached_property
    def matrix(self) -> Vectors:
        """float32 [N, n], C-contiguous and read-only; no copy where the table is in one chunk.

        Raises:
            DataError: a row without a vector.
        """
        whole = self._rows.table[self.vector_column] if isinstance(self._rows, TableRows) else None
        if whole is not None and whole.num_chunks == 1:
            matrix = self._matrix_of(whole.chunk(0), 0)
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
        """All batches, or at least those that hold any of these rows (rising)."""
        stored = [name for name in columns if self._cut is None or name not in self._cut.computed]
        computed = {name: self.column(name) for name in columns if name not in stored}
        names = list(dict.fromkeys((*stored, self.vector_column)))
        wanted = pa.schema([self.schema.field(name) for name in stored])
        for first_row, chunk in self._rows.batches(names, num_rows or self._batch_rows, rows):
            found = retyped(pa.Table.from_batches([chunk.select(stored)]), wanted, where=self.source)
            if computed:
                values = {name: each.slice(first_row, chunk.num_rows) for name, each in computed.items()}
                found = pa.table({name: values[name] if name in values else found[name] for name in columns})
            vectors = self._matrix_of(chunk.column(self.vector_column), first_row)
            yield VectorBatch(first_row=first_row, vectors=vectors, columns=found)

    @property
    def images(self) -> NamedImages | None:
        """The table of images that was scored, where the job says so and it is not gone, or left thumbnails."""
        folder = Path(self.source)
        named = NamedImages.of_job(job_facts(folder), self.vector_column, folder)
        return None if named is None or (named.is_gone and not named.jobs) else named

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        """One column of all rows, in table order; raises DataError where there is none of that name."""
        if name not in self.schema.names:
            raise no_column(self.schema, name, self.source)
        if self._cut is not None and name in self._cut.computed:
            return self._cut.column(name, lambda each: (batch.vectors for batch in self._beside(each).batches()))
        return self._rows.column(name)

    def with_vectors(self, column: str) -> VectorTable:
        """The same table with `matrix` from another vector column; of a file the rows that have a finite one there."""
        is_kept = isinstance(self._rows, KeptRows)
        rows = self._rows.whole if isinstance(self._rows, KeptRows) else self._rows
        table = VectorTable(rows, source=self.source, column=column)
        table.notes = self.notes
        return (table._without_unusable() if is_kept else table).cut(self.dim if self._cut else None)

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
        """Every column that holds no vectors, and no images or bytes either, besides the id."""
        return [field for field in self.fields_beside if field.name == "id" or not holds_bytes(field.type)]

    @property
    def fields_beside(self) -> list[pa.Field[Any]]:
        """Every column that holds no vectors."""
        return [field for field in self.schema if not is_left_out(field, self.vector_column)]

    def copied(self, names: Sequence[str] | None = None) -> pa.Table:
        """`other_fields`, or those of `fields_beside` with these names, with the lineage in the schema metadata."""
        fields = self.other_fields if names is None else [field for field in self.fields_beside if field.name in names]
        table = pa.table({field.name: self.column(field.name) for field in fields})
        return table.replace_schema_metadata(self.lineage.to_metadata() if self.lineage else None)

    @property
    def _batch_rows(self) -> int:
        return max(1, BATCH_BYTES // (4 * self._stored_dim))

    def _without_unusable(self) -> VectorTable:
        """The same table without the rows of which `left_out` then tells."""
        self._rows = without_unusable(
            self._rows, self.vector_column, self.dim, num_rows=self._batch_rows, where=self.source
        )
        self.num_rows = self._rows.num_rows
        return self

    def _beside(self, column: str) -> VectorTable:
        """The very same rows with the vectors of another column, cut alike."""
        table = copy(self)
        table.__dict__.pop("matrix", None)
        table.vector_column, table._stored_dim = column, self._length(column)
        return table

    def _length(self, column: str) -> int:
        kind = self.schema.field(column).type
        return first_length(kind, column, where=self.source, cells=self._cells(column))

    def _cells(self, name: str) -> Iterator[pa.Array[Any]]:
        """The cells of one column in pieces of a bounded size."""
        return (batch.column(0) for _, batch in self._rows.batches([name], _CELLS))

    def _matrix_of(self, chunk: Any, first_row: int) -> Vectors:
        whole = to_matrix(chunk, self._stored_dim, name=self.vector_column, first_row=first_row, where=self.source)
        return whole if self._cut is None else self._cut.vectors(whole)
