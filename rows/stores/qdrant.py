"""Qdrant: a server, or a folder of qdrant-client's own: its local mode, for trials, as it commits each row by itself.

Decisions a reader would question:
- Qdrant takes unsigned integers and UUIDs as ids only. Any other id becomes the UUIDv5 of it, always the same one; the
  id itself stands in the payload under "id".
- A Qdrant server scales vectors of a cosine collection to length 1 when it stores them; a folder keeps them as they
  are. Their distances are the same.
"""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException

from artifact.distances.distance import COSINES, LENGTHS, SQUARES
from artifact.errors import ServerError
from rows.stores.label import KEY, Label
from rows.stores.place import Place
from rows.stores.store import PushedRows, plain_rows

FAILURES: tuple[type[Exception], ...] = (ApiException, QdrantException, RuntimeError, ValueError, OSError)
METRICS: Mapping[str | None, models.Distance] = {
    LENGTHS: models.Distance.EUCLID,
    SQUARES: models.Distance.EUCLID,  # the same order
    COSINES: models.Distance.COSINE,
}
NAMESPACE = uuid.UUID("6d3f4f0a-2c59-5f0e-9a34-6c1c0f8b7e11")
DEFAULT_PORT, TIMEOUT_S = 6333, 60
LARGEST_ID = 2**64 - 1


def point_id(value: Any) -> int | str:
    """The Qdrant id of a row id."""
    if isinstance(value, int) and 0 <= value <= LARGEST_ID:
        return value
    return str(uuid.uuid5(NAMESPACE, str(value)))


@contextmanager
def connect(place: Place) -> Iterator[QdrantStore]:
    """Open a server (its key, if it wants one, in QDRANT_API_KEY) or a local folder."""
    options: dict[str, Any] = {"path": str(place.path)}
    if place.address:
        options = {"url": place.address, "port": DEFAULT_PORT, "timeout": TIMEOUT_S, "check_compatibility": False}
        options["api_key"] = os.environ.get("QDRANT_API_KEY")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on local mode and on keys over http, not for whoever reads stderr
        client = QdrantClient(**options)
        try:
            yield QdrantStore(client)
        finally:
            client.close()


class QdrantStore:
    """A Store."""

    def __init__(self, client: QdrantClient) -> None:
        self._client = client

    def find(self, collection: str) -> str | None:
        if not self._client.collection_exists(collection):
            return None
        metadata = self._client.get_collection(collection).config.metadata or {}
        return str(metadata.get(KEY, ""))

    def create(self, collection: str, label: Label, columns: pa.Schema) -> None:
        vectors = models.VectorParams(size=label.dim, distance=label.metric(METRICS))
        self._client.create_collection(collection, vectors_config=vectors, metadata={KEY: label.to_text()})
        if self.find(collection) != label.to_text():
            self._client.delete_collection(collection)
            raise ServerError(
                "Qdrant server", expected="one that keeps a collection's metadata (1.16 or later)", got="an older one"
            )

    def upsert(self, collection: str, label: Label, rows: PushedRows) -> None:
        payloads = list(plain_rows(rows.columns))
        ids: list[int | str | uuid.UUID] = [point_id(payload["id"]) for payload in payloads]
        points = models.Batch(ids=ids, vectors=rows.vectors.tolist(), payloads=payloads)
        self._client.upsert(collection, points, wait=True)

    def count(self, collection: str) -> int:
        return int(self._client.count(collection, exact=True).count)

    def drop(self, collection: str) -> None:
        self._client.delete_collection(collection)
