"""Tables of vectors: part files written whole or not at all, and read back as one float32 matrix with its lineage.

A table is a folder of part-*.parquet (what scoring writes), or one Parquet file. Any Parquet file with a column of type
FixedSizeList<float> will do; without our metadata its lineage is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.distances import Vectors
from artifact.errors import DataError, SpaceError
from rows.lineage import Lineage, require_same_space
from rows.parts import write_part

__all__ = ["VectorTable", "vector_array", "vector_schema", "write_part"]

MANIFEST = "manifest.json"


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
        self.source, self.vector_column = source, column
        self._parts = parts
        if isinstance(parts, pa.Table):
            schemas, counts = [parts.schema], [parts.num_rows]
        else:
            opened = [_part_facts(part) for part in parts]
            schemas, counts = [schema for schema, _ in opened], [count for _, count in opened]
        self.schema, self.num_rows = schemas[0], sum(counts)
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
            return cls(_folder_parts(path), source=str(path), column=column)
        if not path.exists():
            raise DataError("table of vectors", expected="a folder or a Parquet file", got="nothing there", where=path)
        return cls([path], source=str(path), column=column)

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
        chunks = [
            _chunk_matrix(chunk, self.dim, self._missing_vector) for chunk in self.column(self.vector_column).chunks
        ]
        matrix = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        matrix.flags.writeable = False
        return matrix

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        """One column of all rows, in table order; raises DataError where there is none of that name."""
        if name not in self.schema.names:
            raise _no_column(self.schema, name, self.source)
        if isinstance(self._parts, pa.Table):
            return self._parts[name]
        from pyarrow import parquet

        kind = self.schema.field(name).type
        chunks: list[pa.Array[Any]] = []
        for part in self._parts:
            try:
                with parquet.ParquetFile(part) as opened:
                    chunks += opened.read([name])[name].chunks
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(part, error) from None
        return pa.chunked_array(chunks, kind)

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

    def _missing_vector(self) -> DataError:
        return DataError(f'vector column "{self.vector_column}"', expected="a vector in every row", got="null",
                         where=self.source)  # fmt: skip


def _folder_parts(folder: Path) -> list[Path]:
    manifest = folder / MANIFEST
    if manifest.exists():
        try:
            state = json.loads(manifest.read_bytes()).get("state")
        except (ValueError, AttributeError):
            state = "unreadable"
        if state != "complete":
            raise DataError(
                "scoring job",
                expected=f'"state": "complete" in {MANIFEST}',
                got=f'"{state}"',
                where=folder,
                mend="finish it with the same command",
            )
    parts = sorted(folder.glob("part-*.parquet"))
    if not parts:
        raise DataError("folder of vectors", expected="part-*.parquet", got="none", where=folder)
    return parts


def _part_facts(part: Path) -> tuple[pa.Schema, int]:
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(part) as opened:
            return opened.schema_arrow, int(opened.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(part, error) from None


def _unreadable(part: Path, error: Exception) -> DataError:
    return DataError("table of vectors", expected="a Parquet file", got=str(error)[:300], where=part)


def _dim(schema: pa.Schema, column: str, source: str) -> int:
    if column not in schema.names:
        raise _no_column(schema, column, source)
    kind = schema.field(column).type
    if not pa.types.is_fixed_size_list(kind) or not pa.types.is_floating(kind.value_type):
        raise DataError(f'vector column "{column}"', expected="fixed_size_list<float>[n]", got=str(kind), where=source)
    return int(kind.list_size)


def _no_column(schema: pa.Schema, name: str, source: str) -> DataError:
    return DataError(
        f'column "{name}"', expected=f"one of {', '.join(schema.names)}", got="no such column", where=source
    )


def _chunk_matrix(chunk: Any, dim: int, missing: Any) -> Vectors:
    """One FixedSizeList chunk as float32 [rows, n]; `flatten` (and not `values`) respects the offset of a slice."""
    values = chunk.flatten()
    if chunk.null_count or values.null_count:
        raise missing()
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float32).reshape(-1, dim)
