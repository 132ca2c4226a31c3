"""The programs that vectors can be pushed to: a file in this folder and an extra for each."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import cast

from artifact.errors import LookalikeError, UsageError
from rows.stores.place import FORMS, Place, parse_place
from rows.stores.store import StoreModule


@dataclass(frozen=True, kw_only=True)
class Program:
    """A store's file in this folder, and the extra that brings its package."""

    module: str
    extra: str


STORES = {
    "qdrant": Program(module="rows.stores.qdrant", extra="qdrant"),
    "milvus": Program(module="rows.stores.milvus", extra="milvus"),
    "postgresql": Program(module="rows.stores.pgvector", extra="pgvector"),
    "postgres": Program(module="rows.stores.pgvector", extra="pgvector"),
}


def require_store(url: str) -> None:
    """See that a URL names a store whose package is here, before the time and memory of anything else.

    Raises:
        UsageError: no such kind of store.
        LookalikeError: its package is not installed; the message says which extra brings it.
    """
    load_store(parse_place(url))


def load_store(place: Place) -> StoreModule:
    """The store's file; raises UsageError for an unknown program, LookalikeError without its package."""
    if place.program not in STORES:
        raise UsageError("URL of a store", expected=FORMS, got=place.shown)
    try:
        return cast(StoreModule, import_module(STORES[place.program].module))
    except ModuleNotFoundError as error:
        raise missing_package(place, error) from None


def missing_package(place: Place, error: ModuleNotFoundError) -> LookalikeError:
    extra = STORES[place.program].extra
    return LookalikeError(
        f"the package {error.name!r} is not installed", mend=f"`pip install 'lookalike[{extra}]'` brings it"
    )
