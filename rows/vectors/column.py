"""The column of vectors of a table: which one it is, how many numbers a vector has, and its cells as a matrix.

Decisions a reader would question:
- Any column of lists of numbers will do, whatever Arrow calls the list. What scoring writes comes back from pandas and
  DuckDB as list<float> and from polars as large_list; others keep doubles, half floats, or int8.
- A list type without a length says nothing of its rows, so the first row does, and a row of another length is named
  when it is read. Nothing is read twice for that.
- Text such as "[0.1, 0.2]" is not taken for numbers: a reader that guesses there reads prices and boxes as vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifact.arrays import Indices, Vectors
from artifact.errors import DataError
from rows.box_columns import BOX, BOX_TYPE
from rows.cells import is_text

EMBEDDING = "embedding"
"""The column that scoring writes; of a table of tuples there is one a stream, `embedding_<stream>`."""

_MEND_TEXT = "write the text as lists of numbers, or say --column {name}: then it is read as JSON lists"

_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_NUMBERS = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal)  # DuckDB's [0.1, 0.2] is of decimals


def is_vectors(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold vectors: lists of numbers, or tensors with one axis."""
    if isinstance(kind, pa.FixedShapeTensorType) and sum(size > 1 for size in kind.shape) > 1:
        return False  # an image, say
    stored: Any = _stored(kind)
    return any(test(stored) for test in _LISTS) and any(test(stored.value_type) for test in _NUMBERS)


def is_left_out(field: pa.Field[Any], column: str) -> bool:
    """Whether a column is not copied with the rows: it holds vectors, of this or of another stream.

    Lists of any length that have another name are a user's own and go along, and so do boxes.

    Args:
        field: of a table whose vectors are in `column`.
    """
    if not is_vectors(field.type):
        return False
    if field.name == BOX and fixed_length(field.type) == BOX_TYPE.list_size and field.name != column:
        return False
    return fixed_length(field.type) is not None or field.name == column or field.name.startswith(EMBEDDING)


def fixed_length(kind: pa.DataType) -> int | None:
    """Numbers in every cell, where the type says so."""
    stored: Any = _stored(kind)
    return int(stored.list_size) if pa.types.is_fixed_size_list(stored) else None


def find_column(
    schema: pa.Schema, asked: str | None, *, where: str, cells: Callable[[str], Iterator[pa.Array[Any]]]
) -> str:
    """The name of the vector column: the one asked for, else `embedding`, else the only one of lists of one length.

    Args:
        schema: of the table.
        asked: None where nobody named one.
        where: the table, for messages.
        cells: gives the cells of a column in pieces; read only where several columns could be meant.

    Raises:
        DataError: no such column, one that is not of lists of numbers, none that could be meant, or several.
    """
    require_distinct(schema, where=where)
    name = asked if asked is not None or EMBEDDING not in schema.names else EMBEDDING
    found = [field.name for field in schema if is_vectors(field.type)]
    if name is not None:
        others = [other for other in found if other != name]
        mend = f"name one with --column {others[0]}" if others else None
        if name not in schema.names:
            raise no_column(schema, name, where, mend=mend)
        kind = schema.field(name).type
        if not is_vectors(kind):
            expected = "lists of numbers, all of one length"
            mend = mend or (_MEND_TEXT.format(name=name) if is_text(kind) else None)
            raise DataError(f'vector column "{name}"', expected=expected, got=str(kind), where=where, mend=mend)
        return name
    if len(found) > 1:
        found = [each for each in found if _is_even(schema.field(each).type, cells(each))] or found
    if len(found) == 1:
        return found[0]
    raise DataError(
        "vector column",
        expected="one column of lists of numbers, all of one length",
        got=", ".join(found) if found else ", ".join(f"{field.name} ({field.type})" for field in schema),
        where=where,
        mend=f"name one with --column {found[0]}" if found else None,
    )


def first_length(kind: pa.DataType, name: str, *, where: str, cells: Iterator[pa.Array[Any]]) -> int:
    """Numbers of a vector: as the type says, else as many as the first row that has any.

    Raises:
        DataError: no row has any.
    """
    length = fixed_length(kind)
    if length is None:
        length = next((int(each) for chunk in cells for each in _lengths(chunk) if each), None)
    if not length:
        raise DataError(f'vector column "{name}"', expected="a vector in every row", got="none in any", where=where)
    return length


def to_matrix(chunk: pa.Array[Any], dim: int, *, name: str, first_row: int, where: str) -> Vectors:
    """Cells as float32 [rows, dim]; without a copy where that is how they are stored.

    Args:
        chunk: of a column that `is_vectors`.
        dim: numbers that each row must have.
        name, first_row, where: of the column, for messages.

    Raises:
        DataError: a row without a vector, with another number of numbers, with a null or one beyond float32 among them.
    """

    def refuse(expected: str, got: str, row: Any) -> DataError:
        return DataError(
            f'vector column "{name}"', expected=expected, got=f"{got} in row {first_row + int(row)}", where=where
        )

    cells = stored_cells(chunk)
    if cells.null_count:
        raise refuse("a vector in every row", "null", _first(cells.is_null()))
    if fixed_length(cells.type) != dim:
        lengths = np.asarray(pc.list_value_length(cells))
        if (lengths != dim).any():
            row = np.argmax(lengths != dim)
            raise refuse(f"{dim} numbers in every row", str(lengths[row]), row)
    values = cells.flatten()  # and not `values`, which does not know the offset of a slice
    if values.null_count:
        raise refuse("numbers alone", "a null among those", _first(values.is_null()) // dim)
    matrix = as_float32(values).reshape(-1, dim)
    if pa.types.is_float64(values.type) and np.isinf(matrix).any():
        numbers = values.to_numpy(zero_copy_only=False)
        too_large = np.isinf(matrix) & np.isfinite(numbers.reshape(-1, dim))
        if too_large.any():
            row, at = np.argwhere(too_large)[0]
            raise refuse("numbers up to 3.4e38, as float32 has them", f"{numbers[row * dim + at]:.3g}", row)
    return matrix


def stored_cells(chunk: Any) -> Any:
    """The lists of a column, without what an extension type says of them."""
    return chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk


def cell_lengths(cells: Any) -> Indices:
    """int64 [rows]: numbers in each list; 0 of a null."""
    return np.asarray(pc.fill_null(pc.list_value_length(cells), 0)).astype(np.int64)


def as_float32(values: Any) -> Vectors:
    """Numbers of an Arrow array as float32: infinite where they are beyond it, NaN where they are null."""
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    with np.errstate(over="ignore"):
        return np.asarray(values.to_numpy(zero_copy_only=False), np.float32)


def require_finite(vectors: Vectors, *, first_row: int = 0, rows: Any = None, where: str) -> None:
    """See that all numbers of some rows are finite.

    Args:
        vectors: float32 [m, n].
        first_row: number of the first of them in the table.
        rows: int64 [m], their numbers, where they do not follow each other.

    Raises:
        DataError: names the first row that has one which is not.
    """
    finite = np.isfinite(vectors)
    if finite.all():
        return
    bad = int(np.flatnonzero(~finite.all(axis=1))[0])
    row = first_row + bad if rows is None else int(rows[bad])
    raise DataError(
        "vectors",
        expected="finite numbers",
        got=f"NaN or infinity in row {row}",
        where=where,
        mend="score the images into another folder, which leaves such rows out, or remove the row",
    )


def require_distinct(schema: pa.Schema, *, where: str) -> None:
    """Raise DataError where two columns have one name."""
    twice = next((name for name, count in Counter(schema.names).items() if count > 1), None)
    if twice is not None:
        raise DataError("columns of the table", expected="a name each", got=f'two called "{twice}"', where=where)


def no_column(schema: pa.Schema, name: str, where: str, *, mend: str | None = None) -> DataError:
    """One line for a column that is not there."""
    return DataError(
        f'column "{name}"', expected=f"one of {', '.join(schema.names)}", got="no such column", where=where, mend=mend
    )


def _stored(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _lengths(chunk: Any) -> Any:
    """int64 [rows with a cell]."""
    return np.asarray(pc.list_value_length(stored_cells(chunk)).drop_null())


def _is_even(kind: pa.DataType, cells: Iterator[pa.Array[Any]]) -> bool:
    """Whether all cells are of one length; reads no further than the first of another."""
    if fixed_length(kind) is not None:
        return True
    seen: set[int] = set()
    for chunk in cells:
        seen.update(np.unique(_lengths(chunk)).tolist())
        if len(seen) > 1:
            return False
    return len(seen) == 1


def _first(flags: Any) -> int:
    return int(np.argmax(np.asarray(flags)))
