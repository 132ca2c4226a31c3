"""Milvus: a server, or a file of Milvus Lite.

Decisions a reader would question:
- Copied columns are dynamic fields, so any column of any type finds a place and a later table may bring others.
- A server replaces a row whole; Milvus Lite lays the new columns over the old ones, so there the old row goes first.
- The label stands both in the collection's properties and its description: Milvus Lite keeps only the former.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pyarrow as pa
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from artifact.distances.distance import COSINES, LENGTHS, SQUARES
from artifact.errors import UsageError
from rows.stores.label import KEY, Label
from rows.stores.place import Place
from rows.stores.store import PushedRows, plain_rows

FAILURES: tuple[type[Exception], ...] = (MilvusException, RuntimeError, ValueError, OSError)
METRICS: Mapping[str | None, str] = {SQUARES: "L2", LENGTHS: "L2", COSINES: "COSINE"}
"""Milvus' L2 is the squared distance: the same order."""
ID_TYPES = {"integer": {"datatype": DataType.INT64}, "text": {"datatype": DataType.VARCHAR, "max_length": 65535}}
DEFAULT_PORT, TIMEOUT_S = 19530, 60.0


@contextmanager
def connect(place: Place) -> Iterator[MilvusStore]:
    """Open a server (its token, if it wants one, in MILVUS_TOKEN) or a local file."""
    if place.address:
        has_port = place.address.rpartition(":")[2].isdecimal()
        uri = place.address if has_port else f"{place.address}:{DEFAULT_PORT}"
    elif find_spec("milvus_lite") is None:
        raise ModuleNotFoundError("No module named 'milvus_lite'", name="milvus_lite")
    elif place.path is None or place.path.suffix != ".db":
        raise UsageError("file of Milvus Lite", expected="a name that ends in .db", got=str(place.path))
    else:
        uri = str(place.path)
    log = logging.getLogger("pymilvus")  # it prints a traceback for what we say in one line
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        client = MilvusClient(uri, token=os.environ.get("MILVUS_TOKEN", ""), timeout=TIMEOUT_S)
        try:
            yield MilvusStore(client, is_lite=place.address is None)
        finally:
            client.close()
    finally:
        log.setLevel(level)


class MilvusStore:
    """A Store."""

    def __init__(self, client: Any, *, is_lite: bool) -> None:
        self._client, self._is_lite = client, is_lite

    def find(self, collection: str) -> str | None:
        if not self._client.has_collection(collection):
            return None
        facts = self._client.describe_collection(collection)
        return str((facts.get("properties") or {}).get(KEY) or facts.get("description") or "")

    def create(self, collection: str, label: Label, columns: pa.Schema) -> None:
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True, description=label.to_text())
        schema.add_field("id", is_primary=True, **ID_TYPES[label.id_type])
        schema.add_field(label.column, DataType.FLOAT_VECTOR, dim=label.dim)
        indexes = MilvusClient.prepare_index_params()
        indexes.add_index(label.column, index_type="AUTOINDEX", metric_type=label.metric(METRICS))
        self._client.create_collection(
            collection, schema=schema, index_params=indexes, properties={KEY: label.to_text()}
        )

    def upsert(self, collection: str, label: Label, rows: PushedRows) -> None:
        found = zip(plain_rows(rows.columns), rows.vectors, strict=True)
        data = [{**row, label.column: vector} for row, vector in found]
        if self._is_lite:
            self._client.delete(collection, ids=[row["id"] for row in data])
        self._client.upsert(collection, data)

    def count(self, collection: str) -> int:
        told = self._client.query(collection, output_fields=["count(*)"], consistency_level="Strong")
        return int(told[0]["count(*)"])

    def drop(self, collection: str) -> None:
        self._client.drop_collection(collection)
