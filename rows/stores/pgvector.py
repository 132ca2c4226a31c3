"""PostgreSQL with the pgvector extension: a table with id, the copied columns in their own types, and the vector.

Decisions a reader would question:
- No index is made: pgvector then searches exactly. An approximate one is the owner's choice, one line of SQL.
- The label is the table's comment. Each batch goes by COPY into a temporary table of the batch's own types (binary COPY
  converts nothing), and from there in place of the rows with its ids, all or nothing.
- A column that is there keeps its type, so values of another are refused where PostgreSQL would round them to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb

from artifact.distances.distance import COSINES, LENGTHS, SQUARES
from artifact.errors import OutputError, ServerError, UsageError
from rows.cells import values_type
from rows.stores.label import OTHER, Label
from rows.stores.place import Place
from rows.stores.store import PushedRows, plain_value

FAILURES: tuple[type[Exception], ...] = (psycopg.Error,)
METRICS: Mapping[str | None, str] = {LENGTHS: "<->", SQUARES: "<->", COSINES: "<=>"}
"""The operator that a query orders by; no index is made, so a push asks only whether there is one."""
CONNECT_TIMEOUT_S = 10
_STAGED = sql.Identifier("lookalike_pushed")

COLUMN_TYPES: dict[str, Callable[[pa.DataType], bool]] = {
    "boolean": pa.types.is_boolean,
    "numeric": lambda kind: pa.types.is_uint64(kind) or pa.types.is_decimal(kind),
    "bigint": pa.types.is_integer,
    "double precision": pa.types.is_floating,
    "text": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    "bytea": lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind),
    "timestamp with time zone": lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None,
    "timestamp without time zone": pa.types.is_timestamp,
    "date": pa.types.is_date,
}
"""PostgreSQL type -> whether an Arrow type becomes it, the first that does; all others become jsonb."""

TAKEN_BY = {"bigint": ("integer", "smallint", "numeric", "text"), "text": ("character varying",)}
"""Our type -> others that a column may have by now: they hold each value as it is, or PostgreSQL refuses it."""


def column_type(kind: pa.DataType) -> str:
    """PostgreSQL type of an Arrow type; that of the values for a dictionary."""
    return next((name for name, takes in COLUMN_TYPES.items() if takes(values_type(kind))), "jsonb")


@contextmanager
def connect(place: Place) -> Iterator[PgvectorStore]:
    """Open a database, by libpq's rules (PGPASSWORD, ~/.pgpass, sslmode); the extension is made where it is not."""
    try:
        told = conninfo_to_dict(place.url)
        conninfo = make_conninfo(place.url, connect_timeout=told.get("connect_timeout", CONNECT_TIMEOUT_S))
    except psycopg.ProgrammingError:  # libpq quotes the URL, password included
        raise UsageError(
            "URL of PostgreSQL", expected="one with special characters percent-encoded", got=place.shown
        ) from None
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone() is None:
            try:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            except psycopg.Error as error:
                raise ServerError(
                    "PostgreSQL",
                    expected="the pgvector extension",
                    got=str(error),
                    where=place.shown,
                    mend="have it installed, and run CREATE EXTENSION vector as its owner",
                ) from None
        register_vector(connection)
        yield PgvectorStore(connection)


class PgvectorStore:
    """A Store; a collection is a table, `schema.table` one of another schema than the search path's."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def find(self, collection: str) -> str | None:
        name = _table(collection).as_string(self._connection)
        found = self._connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL, obj_description(to_regclass(%s), 'pg_class')", (name, name)
        ).fetchone()
        assert found is not None
        return (found[1] or "") if found[0] else None

    def create(self, collection: str, label: Label, columns: pa.Schema) -> None:
        types = _types(columns, label)
        types |= {"id": types["id"] + " PRIMARY KEY", label.column: types[label.column] + " NOT NULL"}
        with self._connection.transaction():
            self._connection.execute(sql.SQL("CREATE TABLE {} ({})").format(_table(collection), _definitions(types)))
            self._connection.execute(
                sql.SQL("COMMENT ON TABLE {} IS {}").format(_table(collection), sql.Literal(label.to_text()))
            )

    def upsert(self, collection: str, label: Label, rows: PushedRows) -> None:
        copied = _without_nulls(rows.columns)
        types = _types(copied.schema, label)
        self._require_types(collection, types)
        columns = sql.SQL(", ").join(map(sql.Identifier, types))
        update = sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in types)
        values = [_values(copied[name], types[name]) for name in copied.column_names]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(_STAGED, _definitions(types))
            )
            with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT BINARY)").format(_STAGED, columns)) as copy:
                copy.set_types([*(types[name] for name in copied.column_names), "vector"])
                for row in zip(*values, rows.vectors, strict=True):
                    copy.write_row(row)
            cursor.execute(
                sql.SQL("DELETE FROM {} AS old USING {} AS new WHERE old.id = new.id").format(
                    _table(collection), _STAGED
                )
            )
            cursor.execute(  # a conflict is a row that another push has written since
                sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT (id) DO UPDATE SET {}").format(
                    _table(collection), columns, columns, _STAGED, update
                )
            )

    def count(self, collection: str) -> int:
        found = self._connection.execute(sql.SQL("SELECT count(*) FROM {}").format(_table(collection))).fetchone()
        assert found is not None
        return int(found[0])

    def drop(self, collection: str) -> None:
        self._connection.execute(sql.SQL("DROP TABLE {}").format(_table(collection)))

    def _require_types(self, collection: str, types: dict[str, str]) -> None:
        """Refuse a batch whose values would be changed to fit a column that is there."""
        found = self._connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            (_table(collection).as_string(self._connection),),
        )
        there: dict[str, str] = dict(found.fetchall())
        for name, kind in types.items():
            held = there.get(name, kind)  # what is missing PostgreSQL says itself
            if held != kind and held.partition("(")[0] not in TAKEN_BY.get(kind, ()):
                raise OutputError(f'column "{name}" of collection "{collection}"', expected=held, got=kind, mend=OTHER)


def _without_nulls(columns: pa.Table) -> pa.Table:
    """Without columns of no type, all of them null: as good as not there, whatever the type of the store's column."""
    return columns.select([field.name for field in columns.schema if not pa.types.is_null(field.type)])


def _types(columns: pa.Schema, label: Label) -> dict[str, str]:
    """{column: its PostgreSQL type}, the vectors last."""
    return {field.name: column_type(field.type) for field in columns} | {label.column: f"vector({label.dim})"}


def _definitions(types: dict[str, str]) -> sql.Composed:
    """As CREATE TABLE takes them."""
    pairs = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in types.items()]
    return sql.SQL(", ").join(pairs)


def _table(collection: str) -> sql.Identifier:
    return sql.Identifier(*collection.split(".", 1))


def _values(column: pa.ChunkedArray[Any], kind: str) -> list[Any]:
    """A column as what psycopg writes as `kind`."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)  # PostgreSQL counts microseconds
    values = column.to_pylist()
    if kind == "jsonb":
        return [None if value is None else Jsonb(plain_value(value)) for value in values]
    return values
