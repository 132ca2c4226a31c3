"""Columns from a table beside the vectors: ids, labels and whatever else a matrix cannot hold.

Decision a reader would question: where both have ids, rows find each other by id and the table may have more of them;
else row goes with row, and another number of them is refused. Nothing is filled in: a vector that the table does not
know is an error, for labels would be missing without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.ids import id_as_text
from rows.vectors.column import EMBEDDING, is_left_out
from rows.vectors.own.spool import spooled
from rows.vectors.own.tables import ARROW, TEXT_ROWS, TEXTS, ArrowRows, open_text, source_batches, suffix_of
from rows.vectors.parts import folder_parts
from rows.vectors.stored import Numbered, PartRows, StoredRows, one_batch

ID = "id"


def with_columns_from(rows: StoredRows, path: Path, *, vectors: str, column: str | None) -> StoredRows:
    """Rows of vectors with the columns of a table beside them.

    Args:
        path: a table in any format of vectors but NumPy's; columns of vectors in it are passed over.
        vectors: the vectors, for messages.
        column: of the vectors, where that is known; a column of the table may not have its name.

    Raises:
        DataError: nothing there, no such format, another number of rows, an id that is missing or there twice, or a
            column that both have.
    """
    table = _read(path)
    by_id = ID in rows.schema.names and ID in table.schema.names
    both = [name for name in table.schema.names if name in {*rows.schema.names, column} and not (by_id and name == ID)]
    if both:
        raise DataError(
            f'column "{both[0]}"', expected=f"a name that {vectors} does not use", got="one in both", where=path
        )
    order = _order_by_id(rows, table, path=path) if by_id else None
    if not by_id and table.num_rows != rows.num_rows:
        raise DataError(
            "columns beside the vectors",
            expected=f"{rows.num_rows:,} rows, one for each of {vectors}",
            got=f"{table.num_rows:,}",
            where=path,
            mend="give both a column id, and they are joined by it",
        )
    if by_id:
        table = table.drop_columns([ID])
    return JoinedRows(rows, table if order is None else table.take(order))


class JoinedRows(StoredRows):
    """Rows with further columns, a value for each row, in memory or mapped."""

    def __init__(self, rows: StoredRows, beside: pa.Table) -> None:
        self._rows, self._beside = rows, beside
        self.num_rows = rows.num_rows
        self.schema = pa.schema([*beside.schema, *rows.schema]).with_metadata(rows.schema.metadata)

    def batches(self, columns: Sequence[str], num_rows: int, wanted: Indices | None = None) -> Iterator[Numbered]:
        here = [name for name in columns if name in self._beside.schema.names]
        there = [name for name in columns if name not in here]
        if not there:
            for first in range(0, self.num_rows, num_rows):
                yield first, one_batch(self._beside.select(here).slice(first, num_rows))
            return
        for first, batch in self._rows.batches(there, num_rows, wanted):
            if not here:
                yield first, batch
                continue
            beside = one_batch(self._beside.select(here).slice(first, batch.num_rows))
            arrays = [(beside if name in here else batch).column(name) for name in columns]
            yield first, pa.RecordBatch.from_arrays(arrays, names=list(columns))

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        return self._beside[name] if name in self._beside.schema.names else self._rows.column(name)


def _read(path: Path) -> pa.Table:
    """Every column of a table that holds no vectors; of text in a mapped file."""
    if not path.exists():
        raise DataError("columns beside the vectors", expected="a table", got="nothing there", where=path)
    text, arrow = suffix_of(path, tuple(TEXTS)), suffix_of(path, tuple(ARROW))
    if text is not None:
        source, schema = open_text(path, text)
        kept = pa.schema([field for field in schema if not is_left_out(field, EMBEDDING)])
        return spooled(source_batches(source, kept.names, TEXT_ROWS), kept).table
    if suffix_of(path, (".npy", ".npz")) is not None:
        raise DataError(
            "columns beside the vectors",
            expected="a table: .csv .tsv .jsonl .parquet .arrow",
            got=path.name,
            mend="an .npz holds columns beside its vectors by itself",
        )
    rows: StoredRows
    if arrow is not None:
        rows = ArrowRows(path)
    else:
        rows = PartRows(folder_parts(path) if path.is_dir() else [path], source=str(path))
    return pa.table({field.name: rows.column(field.name) for field in rows.schema if not is_left_out(field, EMBEDDING)})


def _order_by_id(rows: StoredRows, table: pa.Table, *, path: Path) -> Indices | None:
    """int64 [rows]: the row of the table that has each id; None where they stand in one order already."""
    wanted, given = _ids(rows.column(ID)), _ids(table[ID])
    if wanted == given:
        return None
    places: dict[str, int] = {}
    for row, each in enumerate(given):
        if each is not None and places.setdefault(each, row) != row:
            got = f"{each!r} in rows {places[each]} and {row}"
            raise DataError(f'column "{ID}"', expected="each id once, to join by", got=got, where=path)
    missing = [each for each in wanted if each is None or each not in places]
    if missing:
        got = f"none for {len(missing):,} of {len(wanted):,}, the first {missing[0]!r}"
        raise DataError(f'column "{ID}"', expected="the ids of all vectors", got=got, where=path)
    return np.fromiter((places[each] for each in wanted if each is not None), np.int64, len(wanted))


def _ids(column: pa.ChunkedArray[Any]) -> list[str | None]:
    return [None if each is None else id_as_text(each) for each in column.to_pylist()]
