"""Readers of the stores by each program's own client, without any of the code under test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from psycopg.rows import dict_row
from pymilvus import MilvusClient
from qdrant_client import QdrantClient, models

OPERATORS = {"euclidean": "<->", "cosine": "<=>"}


class Reader(Protocol):
    """One store's own client."""

    def rows(self, collection: str) -> dict[Any, dict[str, Any]]:
        """{id: row} with id, copied columns and the vector under "vector"."""
        ...

    def nearest(self, collection: str, query: np.ndarray, k: int, distance: str) -> list[Any]:
        """Ids of the k nearest rows, nearest first."""
        ...

    def make_foreign(self, collection: str) -> None:
        """A collection that lookalike did not make, with one row of id 1 and 4 numbers."""
        ...


class Qdrant:
    def __init__(self, client: QdrantClient) -> None:
        self._client = client

    def rows(self, collection: str) -> dict[Any, dict[str, Any]]:
        points, _ = self._client.scroll(collection, limit=10_000, with_vectors=True)
        return {point.payload["id"]: {**point.payload, "vector": point.vector} for point in points}

    def nearest(self, collection: str, query: np.ndarray, k: int, distance: str) -> list[Any]:
        found = self._client.query_points(collection, query=query.tolist(), limit=k).points
        return [point.payload["id"] for point in found]

    def make_foreign(self, collection: str) -> None:
        vectors = models.VectorParams(size=4, distance=models.Distance.EUCLID)
        self._client.create_collection(collection, vectors_config=vectors)
        point = models.PointStruct(id=1, vector=[0.0] * 4, payload={"id": 1})
        self._client.upsert(collection, [point])


class Milvus:
    def __init__(self, client: MilvusClient) -> None:
        self._client = client

    def rows(self, collection: str) -> dict[Any, dict[str, Any]]:
        found = self._client.query(collection, filter="", output_fields=["*"], limit=10_000)
        return {row["id"]: {**row, "vector": row.get("embedding", row.get("vector"))} for row in found}

    def nearest(self, collection: str, query: np.ndarray, k: int, distance: str) -> list[Any]:
        return [row["id"] for row in self._client.search(collection, data=[query.tolist()], limit=k)[0]]

    def make_foreign(self, collection: str) -> None:
        self._client.create_collection(collection, dimension=4)
        self._client.insert(collection, [{"id": 1, "vector": [0.0] * 4}])


class Postgres:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rows(self, collection: str) -> dict[Any, dict[str, Any]]:
        cursor = self._connection.cursor(row_factory=dict_row)
        found = cursor.execute(f'SELECT * FROM "{collection}"').fetchall()
        return {row["id"]: {**row, "vector": row["embedding"].to_numpy()} for row in found}

    def nearest(self, collection: str, query: np.ndarray, k: int, distance: str) -> list[Any]:
        order = f"embedding {OPERATORS[distance]} %s"
        found = self._connection.execute(f'SELECT id FROM "{collection}" ORDER BY {order} LIMIT %s', (query, k))
        return [row[0] for row in found]

    def make_foreign(self, collection: str) -> None:
        self._connection.execute(f'CREATE TABLE "{collection}" (id bigint PRIMARY KEY, embedding vector(4))')
        self._connection.execute(f"INSERT INTO \"{collection}\" VALUES (1, '[0,0,0,0]')")


@contextmanager
def reading(url: str) -> Iterator[Reader]:
    """The store at a URL, by its own client."""
    split = urlsplit(url)
    readers: Mapping[str, Any] = {"qdrant": _qdrant, "milvus": _milvus, "postgresql": _postgres}
    with readers[split.scheme](url) as reader:
        yield reader


@contextmanager
def _qdrant(url: str) -> Iterator[Qdrant]:
    with closing(QdrantClient(path=urlsplit(url).path)) as client:
        yield Qdrant(client)


@contextmanager
def _milvus(url: str) -> Iterator[Milvus]:
    with closing(MilvusClient(urlsplit(url).path)) as client:
        yield Milvus(client)


@contextmanager
def _postgres(url: str) -> Iterator[Postgres]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
        yield Postgres(connection)
