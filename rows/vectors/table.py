"""Tables of vectors with their lineage: read as one float32 matrix, or a batch of rows at a time in bounded memory.

A table is a folder of part-*.parquet (what scoring writes), or one Parquet file. Any Parquet file with a column of type
FixedSizeList<float> will do; without our metadata its lineage is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact.arrays import Vectors
from artifact.errors import DataError, SpaceError, UsageError
from rows.vectors.lineage import Lineage, require_same_space
from rows.vectors.parts import folder_parts, job_facts, part_batches, part_facts, read_column
from rows.vectors.schema import vector_array

BATCH_BYTES = 1 << 25
"""Of the vectors in one batch: 65,536 rows of 128 dims."""


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

    def __init__(self, parts: list[Path] | pa.Table, *, source: str, column: str = "embedding") -> None:
        if isinstance(parts, str | Path):
            raise UsageError(
                "parts of a table", expected="VectorTable.open, for a path", got=f"the path {str(parts)!r}"
            )
        self.source, self.vector_column = source, column
        self._parts = parts
        if isinstance(parts, pa.Table):
            schemas, counts = [parts.schema], [parts.num_rows]
        else:
            opened = [part_facts(part) for part in parts]
            schemas, counts = [schema for schema, _ in opened], [count for _, count in opened]
        self.schema, self.num_rows, self._counts = schemas[0], sum(counts), counts
        self.lineage = Lineage.from_metadata(self.schema.metadata, where=source)
        self.dim = _dim(self.schema, column, source)
        for number, schema in enumerate(schemas[1:], start=1):
            self._check_part(schema, parts[number])
        if not self.num_rows:
            raise DataError("table of vectors", expected="rows", got="none", where=source)

    @classmethod
    def open(cls, path: str | Path, column: str = "embedding") -> VectorTable:
        """Open the output folder of a scoring job, or one Parquet file.

        Args:
            path: folder of part-*.parquet, or a file.
            column: the vector column; `embedding_<stream>` in the output of a full artifact.

        Raises:
            DataError: nothing there, no parts, an unfinished job, no such column, or one that is not FixedSizeList.
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
            matrix = self._chunk_matrix(self._parts[self.vector_column].chunk(0))
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
                raise _no_column(self.schema, name, self.source)
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
        names = list(dict.fromkeys((*columns, self.vector_column)))
        size = num_rows or max(1, BATCH_BYTES // (4 * self.dim))
        parts: list[Any] = [self._parts] if isinstance(self._parts, pa.Table) else self._parts
        first_row = 0
        for part, count in zip(parts, self._counts, strict=True):
            end_row = first_row + count
            if rows is None or np.searchsorted(rows, first_row) < np.searchsorted(rows, end_row):
                for chunk in part_batches(part, names, size):
                    yield VectorBatch(
                        first_row=first_row,
                        vectors=self._chunk_matrix(chunk.column(self.vector_column)),
                        columns=pa.Table.from_batches([chunk.select(list(columns))]),
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
            raise _no_column(self.schema, name, self.source)
        if isinstance(self._parts, pa.Table):
            return self._parts[name]
        chunks = [chunk for part in self._parts for chunk in read_column(part, name)]
        return pa.chunked_array(chunks, self.schema.field(name).type)

    def with_vectors(self, column: str) -> VectorTable:
        """The same table with `matrix` from another vector column."""
        return VectorTable(self._parts, source=self.source, column=column)

    def copied(self) -> pa.Table:
        """Every column that holds no vectors, with the lineage in the schema metadata."""
        names = [field.name for field in self.schema if not pa.types.is_fixed_size_list(field.type)]
        table = pa.table({name: self.column(name) for name in names})
        return table.replace_schema_metadata(self.lineage.to_metadata() if self.lineage else None)

    def _check_part(self, schema: pa.Schema, part: Any) -> None:
        name = Path(part).name
        other = Lineage.from_metadata(schema.metadata, where=part)
        try:
            require_same_space(self.lineage, other, names=("the first part", name))
        except SpaceError as error:
            raise SpaceError(
                error.what, expected=error.expected, got=error.got, where=self.source, mend="score into a new folder"
            ) from None
        if not schema.equals(self.schema):
            raise DataError("part", expected="the columns of the first part", got="other columns", where=part)

    def _chunk_matrix(self, chunk: Any) -> Vectors:
        """FixedSizeList chunk as float32 [rows, n]; `flatten` (and not `values`) respects the offset of a slice."""
        values = chunk.flatten()
        if chunk.null_count or values.null_count:
            raise DataError(
                f'vector column "{self.vector_column}"', expected="a vector in every row", got="null", where=self.source
            )
        return np.asarray(values.to_numpy(zero_copy_only=False), np.float32).reshape(-1, self.dim)


def _dim(schema: pa.Schema, column: str, source: str) -> int:
    if column not in schema.names:
        streams = [name for name in schema.names if name.startswith("embedding_")]
        raise _no_column(schema, column, source, mend=f"name one with --column {streams[0]}" if streams else None)
    kind = schema.field(column).type
    if not pa.types.is_fixed_size_list(kind) or not pa.types.is_floating(kind.value_type):
        raise DataError(f'vector column "{column}"', expected="fixed_size_list<float>[n]", got=str(kind), where=source)
    return int(kind.list_size)


def _no_column(schema: pa.Schema, name: str, source: str, *, mend: str | None = None) -> DataError:
    return DataError(
        f'column "{name}"', expected=f"one of {', '.join(schema.names)}", got="no such column", where=source, mend=mend
    )
