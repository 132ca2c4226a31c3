"""The push of a table of vectors into another program's database, batch by batch, in bounded memory.

Decisions a reader would question:
- Rows are written by id, a row of the same id replaced whole. So the same push again changes nothing, and one that was
  cut off is finished by the same command; it begins at the first row again, which is cheaper than trusting a count.
- Rows of one id within a table are one row in a store, the last of them; the result's note says how many that cost.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from artifact.errors import DataError, LookalikeError, OutputError, ServerError, UnavailableError, UsageError
from artifact.events import Report
from rows.ids import id_as_text
from rows.stores.label import Label
from rows.stores.place import Place, parse_place
from rows.stores.programs import load_store, missing_package
from rows.stores.store import PushedRows, Store, StoreModule
from rows.vectors.column import require_finite
from rows.vectors.lineage import table_distance
from rows.vectors.table import VectorTable

DEFAULT_BATCH_SIZE = 1000
BYTES_PER_BATCH = 4 * 2**20
"""Vectors of one request, at most: as JSON text they are five times that, and Qdrant takes 32 MB."""


@dataclass(frozen=True, kw_only=True)
class PushResult:
    """A finished push.

    Attributes:
        url: of the store, without a password.
        collection: its name there.
        created: False where it was there before.
        num_rows: rows of the table, all written.
        num_in_collection: rows that the collection has now.
        seconds: what it took.
        rows_per_s: num_rows / seconds.
        note: what the user may want to know: that rows shared ids.
    """

    url: str
    collection: str
    created: bool
    num_rows: int
    num_in_collection: int
    seconds: float
    rows_per_s: float
    note: str | None


def push(
    table: VectorTable,
    url: str,
    collection: str,
    *,
    distance: str | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    recreate: bool = False,
    report: Report | None = None,
) -> PushResult:
    """Write every row of a table of vectors into a collection: id, vector and copied columns.

    Args:
        table: opened with the vector column to push; other vector columns are left out.
        url: see rows.stores.place.
        collection: made where it is not there; of PostgreSQL a table.
        distance: for vectors without lineage; else it is the one the artifact was trained with.
        batch_size: rows of one request, at most; fewer where their vectors pass 4 MiB.
        recreate: remove the collection first, if an earlier push made it.
        report: called after each batch with {event: "pushed", done, num_rows, rows_per_s}, and with {event: "note",
            message} where the push ends early.

    Raises:
        UsageError: no such kind of store, or a distance that is missing, wrong or unknown to the store.
        LookalikeError: the store's package is not installed.
        DataError: the table cannot be read, or a row has no id, no vector or a number that is not finite.
        SpaceError: the collection holds vectors of another space.
        OutputError: the collection is not one of ours, or of another column, distance, width or type of id.
        ServerError: the store cannot be reached, or refused; it says how many rows are there.
    """
    if batch_size < 1:
        raise UsageError("batch_size", expected="at least 1", got=str(batch_size))
    place = parse_place(url)
    module = load_store(place)
    columns = _columns(table)
    label = Label(
        column=table.vector_column,
        dim=table.dim,
        distance=table_distance(table.lineage, distance, where=table.source),
        id_type="integer" if pa.types.is_integer(columns.field("id").type) else "text",
        lineage=table.lineage,
    )
    label.metric(module.METRICS)  # a distance that the store lacks is refused before anything is removed
    started = time.monotonic()
    with _opened(module, place) as store:
        created = _prepare(store, collection, label, columns, where=place.shown, recreate=recreate)

        def write(rows: PushedRows, done: int) -> None:
            try:
                store.upsert(collection, label, _each_id_once(rows))
            except module.FAILURES as error:
                raise ServerError(
                    "store refused rows", got=_one_line(error), where=place.shown, mend=_how_far(done, table.num_rows)
                ) from error

        done = _write_all(write, table, columns, batch_size, report or (lambda event: None))
        there = store.count(collection)
    seconds = time.monotonic() - started
    lost = done - there if created else 0
    return PushResult(
        url=place.shown,
        collection=collection,
        created=created,
        num_rows=done,
        num_in_collection=there,
        seconds=seconds,
        rows_per_s=done / max(seconds, 1e-9),
        note=f"{lost} rows have the id of a later row, which replaced them" if lost > 0 else None,
    )


@contextlib.contextmanager
def _opened(module: StoreModule, place: Place) -> Iterator[Store]:
    """The connected store; what its package raises outside of a batch becomes one line."""
    try:
        with module.connect(place) as store:
            yield store
    except LookalikeError:
        raise
    except ModuleNotFoundError as error:
        raise missing_package(place, error) from None
    except module.FAILURES as error:
        raise UnavailableError("store", expected="an answer", got=_one_line(error), where=place.shown) from error


def _prepare(store: Store, collection: str, label: Label, columns: pa.Schema, *, where: str, recreate: bool) -> bool:
    """Make the collection, or see that the rows belong into the one there; True where it is new."""
    text = store.find(collection)
    if text is not None:
        there = Label.from_text(text, collection=collection, where=where)
        if not recreate:
            there.require_same(label, collection=collection, where=where)
            return False
        store.drop(collection)
    store.create(collection, label, columns)
    return True


def _write_all(
    write: Callable[[PushedRows, int], None],
    table: VectorTable,
    columns: pa.Schema,
    batch_size: int,
    report: Report,
) -> int:
    """Give every row to `write(rows, rows before them)`; the number of rows."""
    started, done = time.monotonic(), 0
    try:
        for rows in _batches(table, columns, batch_size):
            write(rows, done)
            done += len(rows.vectors)
            speed = done / max(time.monotonic() - started, 1e-9)
            report({"event": "pushed", "done": done, "num_rows": table.num_rows, "rows_per_s": speed})
    except BaseException as error:  # Ctrl-C too leaves nobody in doubt
        if not isinstance(error, ServerError | OutputError):  # neither of which the same command mends so
            report({"event": "note", "message": _how_far(done, table.num_rows)})
        raise
    return done


def _how_far(done: int, num_rows: int) -> str:
    return f"{done} of the {num_rows} rows are there, and the same command does the rest"


def _columns(table: VectorTable) -> pa.Schema:
    """The columns that go along: the id, int64 or string, then all that are no vectors."""
    found = table.schema.field("id").type if "id" in table.schema.names else pa.int64()
    others = [field for field in table.fields_beside if field.name != "id"]
    fits = pa.types.is_integer(found) and not pa.types.is_uint64(found)
    return pa.schema([pa.field("id", pa.int64() if fits else pa.string()), *others])


def _batches(table: VectorTable, columns: pa.Schema, batch_size: int) -> Iterator[PushedRows]:
    """The table in order, a few rows in memory at a time; where it has no ids they are the row numbers from 0."""
    names = [name for name in columns.names if name in table.schema.names]
    numbers = table.row_numbers
    num_rows = min(batch_size, max(1, BYTES_PER_BATCH // (4 * table.dim)))
    for batch in table.batches(names, num_rows=num_rows):
        require_finite(batch.vectors, first_row=batch.first_row, where=table.source)
        ids: list[Any] = numbers[batch.first_row : batch.first_row + len(batch)].tolist()
        if "id" in names:
            ids = batch.columns["id"].to_pylist()
        if None in ids:
            raise DataError('column "id"', expected="an id in every row", got="null", where=table.source)
        if pa.types.is_string(columns.field("id").type):
            ids = list(map(id_as_text, ids))
        others = {name: batch.columns[name] for name in columns.names[1:]}
        yield PushedRows(
            vectors=batch.vectors, columns=pa.table({"id": pa.array(ids, columns.field("id").type), **others})
        )


def _each_id_once(rows: PushedRows) -> PushedRows:
    """The last row of each id: no store takes one id twice in a request."""
    last = {each: row for row, each in enumerate(rows.columns["id"].to_pylist())}
    if len(last) == len(rows.vectors):
        return rows
    kept = sorted(last.values())
    return PushedRows(vectors=rows.vectors[kept], columns=rows.columns.take(kept))


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
