"""push of vectors whose distance the store lacks: refused before the store is even asked for anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from artifact.distances import DISTANCES, Distance
from artifact.errors import UsageError
from rows.stores.push import push
from rows.vectors.table import VectorTable
from tests.shared.store_readers import reading

TAXICAB = Distance(name="taxicab", between=lambda xp, a, b: xp.sum(abs(a - b)), bound=None)
VECTORS = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def _known_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DISTANCES, TAXICAB.name, TAXICAB)


@pytest.mark.parametrize("place", ["qdrant://{}/q", "milvus://{}/m.db"])
def test_nothing_is_removed(place: str, tmp_path: Path) -> None:
    """The collection that --recreate would have replaced is still there, whole."""
    url, table = place.format(tmp_path), VectorTable.from_arrays(VECTORS, {"id": list("abcde")})
    push(table, url, "kept", distance="euclidean")
    with pytest.raises(UsageError, match=r"distance of a store: expected one of .*euclidean.*, got taxicab"):
        push(table, url, "kept", distance="taxicab", recreate=True)
    with reading(url) as reader:
        assert len(reader.rows("kept")) == 5


def test_postgresql_has_no_operator_for_it() -> None:
    """Nobody listens there, and nobody is asked."""
    with pytest.raises(UsageError, match=r"distance of a store: expected one of .*cosine.*, got taxicab"):
        push(VectorTable.from_arrays(VECTORS), "postgresql://nobody@localhost:1/none", "kept", distance="taxicab")
