"""Push a table of vectors into another program's database, batch by batch, in bounded memory.

Decisions a reader would question:
- Rows are written by id, a row of the same id replaced whole. So the same push again changes nothing, and one that was
  cut off is finished by the same command; it begins at the first row again, which is cheaper than trusting a count.
- Rows of one id within a table are one row in a store, the last of them; the result's note says how many that cost.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import pyarrow as pa

from analysis.pairwise import table_distance
from analysis.stores.label import Label
from analysis.stores.place import FORMS, Place, parse_place
from analysis.stores.store import Rows, Store, StoreModule
from artifact.errors import DataError, LookalikeError, ServerError, UnavailableError, UsageError
from rows.vectors import VectorTable

DEFAULT_BATCH_SIZE = 1000
BYTES_PER_BATCH = 4 * 2**20
"""Vectors of one request, at most: as JSON text they are five times that, and Qdrant takes 32 MB."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A store's file in this folder, and the extra that brings its package."""

    module: str
    extra: str


STORES = {
    "qdrant": Program(module="analysis.stores.qdrant", extra="qdrant"),
    "milvus": Program(module="analysis.stores.milvus", extra="milvus"),
    "postgresql": Program(module="analysis.stores.pgvector", extra="pgvector"),
    "postgres": Program(module="analysis.stores.pgvector", extra="pgvector"),
}


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
    report: Callable[[Mapping[str, Any]], None] | None = None,
) -> PushResult:
    """Write every row of a table of vectors into a collection: id, vector and copied columns.

    Args:
        table: opened with the vector column to push; other vector columns are left out.
        url: see analysis.stores.place.
        collection: made where it is not there; of PostgreSQL a table.
        distance: for vectors without lineage; else it is the one the artifact was trained with.
        batch_size: rows of one request, at most; fewer where their vectors pass 4 MiB.
        recreate: remove the collection first, if an earlier push made it.
        report: called after each batch with {event: "rows", done, num_rows, num_errors: 0, images_per_s: rows per s}.

    Raises:
        UsageError: no such kind of store, or a distance that is missing or wrong.
        LookalikeError: the store's package is not installed.
        DataError: the table cannot be read, or a row has no id or no vector.
        SpaceError: the collection holds vectors of another space.
        OutputError: the collection is not one of ours, or of another column, distance, width or type of id.
        ServerError: the store cannot be reached, or refused; it says how many rows are there.
    """
    if batch_size < 1:
        raise UsageError("batch_size", expected="at least 1", got=str(batch_size))
    place = parse_place(url)
    module = _load(place)
    columns = _columns(table)
    label = Label(
        column=table.vector_column,
        dim=table.dim,
        distance=table_distance(table.lineage, distance, where=table.source),
        id_type="integer" if pa.types.is_integer(columns.field("id").type) else "text",
        lineage=table.lineage,
    )
    started, done = time.monotonic(), 0
    with _opened(module, place) as store:
        created = _prepare(store, collection, label, columns, where=place.shown, recreate=recreate)
        for rows in _batches(table, columns, batch_size):
            try:
                store.upsert(collection, label, _each_id_once(rows))
            except module.FAILURES as error:
                raise _stopped(error, done, table.num_rows, place) from error
            done += len(rows.vectors)
            if report is not None:
                speed = done / max(time.monotonic() - started, 1e-9)
                report({"event": "rows", "done": done, "num_rows": table.num_rows, "num_errors": 0,
                        "images_per_s": speed})  # fmt: skip
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


def require_store(url: str) -> None:
    """See that a URL names a store whose package is here, before the time and memory of anything else.

    Raises:
        UsageError: no such kind of store.
        LookalikeError: its package is not installed; the message says which extra brings it.
    """
    _load(parse_place(url))


def _load(place: Place) -> StoreModule:
    """The store's file; raises UsageError for an unknown program, LookalikeError without its package."""
    if place.program not in STORES:
        raise UsageError("URL of a store", expected=FORMS, got=place.shown)
    try:
        return cast(StoreModule, import_module(STORES[place.program].module))
    except ModuleNotFoundError as error:
        raise _missing_package(place, error) from None


def _missing_package(place: Place, error: ModuleNotFoundError) -> LookalikeError:
    extra = STORES[place.program].extra
    return LookalikeError(
        f"the package {error.name!r} is not installed", mend=f"`pip install 'lookalike[{extra}]'` brings it"
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
        raise _missing_package(place, error) from None
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


def _columns(table: VectorTable) -> pa.Schema:
    """The columns that go along: the id, int64 or string, then all that are no vectors."""
    found = table.schema.field("id").type if "id" in table.schema.names else pa.int64()
    others = [field for field in table.schema if field.name != "id" and not pa.types.is_fixed_size_list(field.type)]
    fits = pa.types.is_integer(found) and not pa.types.is_uint64(found)
    return pa.schema([pa.field("id", pa.int64() if fits else pa.string()), *others])


def _batches(table: VectorTable, columns: pa.Schema, batch_size: int) -> Iterator[Rows]:
    """The table in order, a few rows in memory at a time; where it has no ids they are the row numbers from 0."""
    names = [name for name in columns.names if name in table.schema.names]
    num_rows = min(batch_size, max(1, BYTES_PER_BATCH // (4 * table.dim)))
    for batch in table.batches(names, num_rows=num_rows):
        ids: list[Any] = list(range(batch.first_row, batch.first_row + len(batch)))
        if "id" in names:
            ids = batch.columns["id"].to_pylist()
        if None in ids:
            raise DataError('column "id"', expected="an id in every row", got="null", where=table.source)
        if pa.types.is_string(columns.field("id").type):
            ids = [str(each) for each in ids]
        others = {name: batch.columns[name] for name in columns.names[1:]}
        yield Rows(vectors=batch.vectors, columns=pa.table({"id": pa.array(ids, columns.field("id").type), **others}))


def _each_id_once(rows: Rows) -> Rows:
    """The last row of each id: no store takes one id twice in a request."""
    last = {each: row for row, each in enumerate(rows.columns["id"].to_pylist())}
    if len(last) == len(rows.vectors):
        return rows
    kept = sorted(last.values())
    return Rows(vectors=rows.vectors[kept], columns=rows.columns.take(kept))


def _stopped(error: Exception, done: int, num_rows: int, place: Place) -> LookalikeError:
    return ServerError(
        "store refused rows",
        got=_one_line(error),
        where=place.shown,
        mend=f"{done} of the {num_rows} rows are there, and the same command does the rest",
    )


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
