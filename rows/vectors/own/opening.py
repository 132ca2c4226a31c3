"""Opening of vectors that anybody wrote: the format by the file's name, and in it the column of vectors.

A new format is one line in TEXTS or ARROW (tables.py) where rows/formats reads it, else a StoredRows and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import is_text, is_unmistakable
from rows.vectors.column import EMBEDDING, is_vectors, no_column
from rows.vectors.own.arrays import ARRAYS, ArrayFile, ArrayRows
from rows.vectors.own.made import MadeColumn, MadeRows
from rows.vectors.own.numbered import NumberedColumns, choose_group, find_groups
from rows.vectors.own.spool import spooled
from rows.vectors.own.tables import (
    ARROW,
    TEXT_ROWS,
    TEXTS,
    UNTYPED,
    ArrowRows,
    open_text,
    source_batches,
    suffix_of,
)
from rows.vectors.own.written import WrittenLists
from rows.vectors.parts import folder_parts, part_facts
from rows.vectors.stored import PartRows, StoredRows, TableRows

SUFFIXES = (".parquet", ".pq", *ARRAYS, *ARROW, *TEXTS)
"""Of the files that hold vectors; a file without a known one is taken for Parquet."""

_IMAGE_COLUMNS = ("image", "path", "file", "filename", "file_name")
"""By which a table of images is known: numbers beside them are boxes and prices."""
_MAGIC = b"PAR1"


@dataclass(frozen=True, kw_only=True)
class OpenedRows:
    """Rows of vectors.

    Attributes:
        rows: all of them.
        column: the vector column as it is called there; None where nobody named one and the table's own will be found.
        notes: how they were read, where a reader may be surprised.
    """

    rows: StoredRows
    column: str | None
    notes: Sequence[str] = ()


def open_rows(path: Path, column: str | None = None) -> OpenedRows:
    """Open the folder of a scoring job, or a file of vectors in any format.

    Args:
        column: the vector column that somebody named: a column, an array of an .npz, or what stands before the numbers
            of numbered columns. A column of text is read as JSON lists.

    Raises:
        DataError: nothing there, a file that is damaged or of no known format, or no vectors in it.
    """
    _require_there(path)
    if path.is_dir():
        return _of_table(PartRows(folder_parts(path), source=str(path)), column, where=str(path))
    if suffix_of(path, ARRAYS) is not None:
        rows = ArrayRows(ArrayFile.open(path), column)
        return OpenedRows(rows=rows, column=rows.vector_column, notes=rows.notes)
    text = suffix_of(path, tuple(TEXTS))
    if text is not None:
        return _of_text(path, text, column)
    if suffix_of(path, tuple(ARROW)) is not None:
        return _of_table(ArrowRows(path), column, where=str(path))
    if suffix_of(path, SUFFIXES) is None:
        _require_parquet(path)
    return _of_table(PartRows([path], source=str(path)), column, where=str(path))


def columns_of(path: Path) -> pa.Schema:
    """The columns of a table of vectors as its file tells them, without reading its rows; of text from the first ones.

    Raises:
        DataError: nothing there, or it is damaged.
    """
    _require_there(path)
    if path.is_dir():
        return part_facts(folder_parts(path)[0])[0]
    text = suffix_of(path, tuple(TEXTS))
    if text is not None:
        return TEXTS[text](path).schema
    if suffix_of(path, tuple(ARROW)) is not None:
        return ARROW[".arrow"](path).schema
    if suffix_of(path, ARRAYS) is not None:
        return ArrayFile.open(path).schema
    return part_facts(path)[0]


def holds_vectors(path: Path, column: str | None) -> bool:
    """Whether a file or folder that may be a table of images is one of vectors, by its name and its columns alone.

    Args:
        column: the vector column that somebody named.

    Raises:
        DataError: it is damaged.
    """
    if path.is_file() and suffix_of(path, ARRAYS) is not None:
        file = ArrayFile.open(path)
        return column in file.vectors or not any(len(header.shape) > 2 for header in file.headers.values())
    if path.is_file() and suffix_of(path, SUFFIXES) is None:
        return False
    schema = columns_of(path)
    groups = find_groups(schema, of_text=suffix_of(path, UNTYPED) is not None)
    if column is not None or EMBEDDING in schema.names:
        named = column or EMBEDDING
        return named in schema.names or any(named in (group.prefix, group.title) for group in groups)
    if any(field.name == "image" or is_unmistakable(field.type) for field in schema):
        return False
    if any(is_vectors(field.type) for field in schema):
        return True
    return bool(groups) and not set(_IMAGE_COLUMNS) & set(schema.names)


def _of_table(rows: StoredRows, column: str | None, *, where: str) -> OpenedRows:
    """Rows with types, which are read where they lie; lists in text are parsed once."""
    made, notes = _made(rows.schema, column, of_text=False, where=where)
    if made is None:
        return OpenedRows(rows=rows, column=column)
    found: StoredRows = MadeRows(rows, made)
    if not isinstance(made, NumberedColumns):
        found = spooled(found.batches(found.schema.names, TEXT_ROWS), found.schema)
    return OpenedRows(rows=found, column=made.name, notes=notes)


def _of_text(path: Path, suffix: str, column: str | None) -> OpenedRows:
    """Text, which is read once."""
    source, schema = open_text(path, suffix)
    made, notes = _made(schema, column, of_text=suffix in UNTYPED, mixed=source.mixed, where=str(path))
    batches = source_batches(source, schema.names, TEXT_ROWS)
    if made is not None:
        schema = made.schema(schema)
        batches = made.added(batches, schema.names)
    elif suffix in UNTYPED:
        raise _no_vectors(schema, column, path)
    rows: TableRows = spooled(batches, schema)
    return OpenedRows(rows=rows, column=column if made is None else made.name, notes=notes)


def _made(
    schema: pa.Schema,
    column: str | None,
    *,
    of_text: bool,
    where: str,
    mixed: Mapping[str, bool] = MappingProxyType({}),
) -> tuple[MadeColumn | None, Sequence[str]]:
    """What makes the column of vectors where none stands in the table, and what is to be told of it.

    Args:
        mixed: of a source. A column of vectors or of numbers in which some rows hold something else is read as what it
            is in the others, so that the first row that does not fit is named.
    """
    spoiled = [name for name, holds_lists in mixed.items() if holds_lists]
    if column is None and spoiled and (EMBEDDING in spoiled or EMBEDDING not in schema.names):
        column = EMBEDDING if EMBEDDING in spoiled else spoiled[0]
    if column is not None and column in schema.names:
        if not is_text(schema.field(column).type):
            return None, ()
        others = [field.name for field in schema if is_vectors(field.type)]
        mend = f"name one with --column {others[0]}" if others else None
        return WrittenLists(column, where=where, mend=mend), ()
    if column is None and (EMBEDDING in schema.names or any(is_vectors(field.type) for field in schema)):
        return None, ()
    numbers = [field.with_type(pa.float32()) if field.name in mixed else field for field in schema]
    group = choose_group(find_groups(pa.schema(numbers), of_text=of_text), column, where=where)
    if group is None:
        return None, ()
    made = NumberedColumns(group, schema, where=where)
    return made, (f"{Path(where).name}: vectors are the {len(group.names)} columns {group}",)


def _no_vectors(schema: pa.Schema, column: str | None, path: Path) -> DataError:
    """One line for a text table without numbered columns."""
    if column is not None:
        return no_column(schema, column, str(path))
    names = schema.names
    mend = "write a header line: these are numbers" if all(_is_number(name) for name in names) else None
    if EMBEDDING in names:
        mend = f"say --column {EMBEDDING}, and its text is read as JSON lists"
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return DataError(
        "vector columns",
        expected="numbered columns, such as e0, e1, e2 (or --column NAME for one of JSON lists)",
        got=listed,
        where=path,
        mend=mend,
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _require_there(path: Path) -> None:
    if not path.exists():
        raise DataError("table of vectors", expected="a folder or a file of vectors", got="nothing there", where=path)


def _require_parquet(path: Path) -> None:
    """Raise DataError for a file whose name tells nothing and whose first bytes are not those of Parquet."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            expected = f"a file that ends in {' '.join(SUFFIXES)}"
            raise DataError("table of vectors", expected=expected, got=path.name, where=path)
