"""The interface of a store: all that push.py asks of it. A new store is one file and one line in programs.py."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Protocol

import pyarrow as pa

from artifact.arrays import Vectors
from rows.stores.label import Label


@dataclass(frozen=True, kw_only=True)
class PushedRows:
    """Rows to push, each id once.

    Attributes:
        vectors: float32 [N, n].
        columns: N rows; first "id", int64 or string by the label's id_type, then the copied columns; no vectors.
    """

    vectors: Vectors
    columns: pa.Table


class Store(Protocol):
    """An opened store."""

    def find(self, collection: str) -> str | None:
        """The text of the collection's label, "" where it has none; None where there is no such collection."""
        ...

    def create(self, collection: str, label: Label, columns: pa.Schema) -> None:
        """Make an empty collection for PushedRows of these columns that carries the label, in one step."""
        ...

    def upsert(self, collection: str, label: Label, rows: PushedRows) -> None:
        """Write rows; a row of the same id is replaced whole. All of them are there when this returns."""
        ...

    def count(self, collection: str) -> int:
        """Rows in the collection."""
        ...

    def drop(self, collection: str) -> None:
        """Remove the collection."""
        ...


class StoreModule(Protocol):
    """A file of this folder; importing it needs the store's package."""

    FAILURES: tuple[type[Exception], ...]
    """What the package raises where the store refuses or cannot be reached."""

    METRICS: Mapping[str | None, Any]
    """{product of a Distance: what the store calls it}; a distance that is not here is refused."""

    def connect(self, place: Any) -> AbstractContextManager[Store]:
        """Open the store at a Place; raises UsageError, LookalikeError or one of FAILURES."""
        ...


def plain_rows(columns: pa.Table) -> Iterator[dict[str, Any]]:
    """Each row as values that JSON knows.

    Times become ISO 8601 text, bytes base64 text, decimals text; NaN and infinities, which JSON lacks, become null.
    """
    for row in columns.to_pylist():
        yield {name: plain_value(value) for name, value in row.items()}


def plain_value(value: Any) -> Any:
    """One value as JSON knows it; see `plain_rows`."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return base64.b64encode(value).decode()
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return {str(key): plain_value(each) for key, each in value.items()}
        case list() | tuple():
            return [plain_value(each) for each in value]
        case _:
            return str(value)
