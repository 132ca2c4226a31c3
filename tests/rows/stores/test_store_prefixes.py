"""Prefixes pushed into a database: the collection holds D numbers and takes no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from artifact.errors import SpaceError
from rows.stores.push import push
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable

qdrant_client = pytest.importorskip("qdrant_client", reason="the extra lookalike[qdrant] is not installed")

VECTORS = np.random.default_rng(2).standard_normal((20, 8)).astype(np.float32)
WHOLE = Lineage(
    artifact="m",
    version=1,
    digest="d",
    space="s",
    distance="euclidean",
    normalized=True,
    prefixes=((3, 0.5), (5, 0.6)),
)


def test_a_collection_of_prefixes_takes_no_other_vectors(tmp_path: Path) -> None:
    """Neither whole ones nor other prefixes, in one line; the same again is the same."""
    table = VectorTable.from_arrays(VECTORS, {"id": np.arange(20)}, lineage=WHOLE)
    url = f"qdrant:{tmp_path / 'store'}"
    for _ in range(2):
        assert push(table.cut(5), url, "short").num_in_collection == 20
    with pytest.raises(SpaceError, match='collection "short" of 5 numbers and the pushed table of whole vectors'):
        push(table, url, "short")
    with pytest.raises(SpaceError, match='collection "short" of 5 numbers and the pushed table of 3 numbers'):
        push(table.cut(3), url, "short")
    client = qdrant_client.QdrantClient(path=str(tmp_path / "store"))
    points = sorted(client.scroll("short", limit=20, with_vectors=True)[0], key=lambda point: point.id)
    client.close()
    cut = VECTORS[:, :5]
    expected = cut / np.linalg.norm(cut, axis=1, keepdims=True)
    np.testing.assert_allclose([point.vector for point in points], expected, atol=1e-6)
