"""Leaks between two sets beside all distances."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.spatial.distance import cdist

from analysis.datasets.leaks import find_leaks, write_leaks
from analysis.datasets.thresholds import LINEAGE
from artifact.errors import DataError, SpaceError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable

LINEAGE_OF = Lineage(
    artifact="a", version=1, digest="d", space="s", distance="euclidean", normalized=False, threshold=0.3
)


def _sets() -> tuple[np.ndarray, np.ndarray]:
    """200 rows to train on, 100 to test with: 20 copies, 20 near copies, 60 others."""
    rng = np.random.default_rng(0)
    train = rng.normal(size=(200, 5)).astype(np.float32)
    near = train[20:40] + np.float32(0.02) * rng.normal(size=(20, 5)).astype(np.float32)
    return train, np.concatenate([train[:20], near, rng.normal(size=(60, 5)).astype(np.float32)])


def _table(vectors: np.ndarray, prefix: str, lineage: Lineage | None = LINEAGE_OF) -> VectorTable:
    ids = [f"{prefix}{row}" for row in range(len(vectors))]
    return VectorTable.from_arrays(vectors, {"id": ids, "label": ids}, lineage=lineage, source=prefix)


def test_leaks_are_the_rows_with_another_set_within_the_threshold() -> None:
    """Nearest rows, distances and decisions as all distances give them; exact copies first."""
    train, test = _sets()
    apart = cdist(test.astype(np.float64), train.astype(np.float64))
    found = find_leaks(_table(train, "train"), _table(test, "test"))
    np.testing.assert_array_equal(found.rows, apart.argmin(axis=1))
    np.testing.assert_allclose(found.distances, apart.min(axis=1), atol=1e-6)
    np.testing.assert_array_equal(found.keep, apart.min(axis=1) > 0.3)
    assert found.exact.nonzero()[0].tolist() == list(range(20))
    assert sorted(found.leaks[:20].tolist()) == list(range(20))
    assert (np.diff(found.distances[found.leaks[20:]]) >= 0).all()
    assert (found.threshold.value, found.threshold.origin, found.content) == (0.3, LINEAGE, "vectors")


def test_picture_of_the_same_content_comes_before_a_nearer_one() -> None:
    """Files of the same bytes are leaks however far apart, and equal vectors of other files are near ones only."""
    train, test = np.float32([[0, 0], [5, 5]]), np.float32([[0, 0], [5, 5.1], [9, 9]])
    ours, theirs = (
        [hashlib.sha256(text).hexdigest() for text in texts] for texts in ((b"a", b"b"), (b"b", b"c", b"d"))
    )
    found = find_leaks(_table(train, "a"), _table(test, "b"), threshold=0.2, content=(ours, theirs))
    assert found.rows.tolist() == [1, 1, 1]
    assert found.exact.tolist() == [True, False, False]
    assert found.keep.tolist() == [False, False, True]
    assert found.distances[0] == pytest.approx(np.sqrt(50))


def test_share_is_one_of_the_rows_that_are_no_copies() -> None:
    """A quarter of the other 80 rows are then leaks beside the 20 copies."""
    train, test = _sets()
    found = find_leaks(_table(train, "train"), _table(test, "test"), share=0.25)
    assert len(found.leaks) == pytest.approx(20 + 20, abs=1)


def test_file_has_a_row_for_each_of_the_other_set(tmp_path: Path) -> None:
    """With the id that it leaks from, null where it does not."""
    train, test = _sets()
    tables = _table(train, "train"), _table(test, "test")
    found = find_leaks(*tables)
    assert write_leaks(*tables, found, tmp_path / "l.parquet") == []
    written = pq.read_table(tmp_path / "l.parquet")
    assert written.column_names == ["id", "label", "nearest", "distance", "exact", "keep"]
    rows = written.to_pylist()
    assert rows[3] == {
        "id": "test3", "label": "test3", "nearest": "train3", "distance": 0.0, "exact": True, "keep": False,
    }  # fmt: skip
    kept = [row for row in rows if row["keep"]]
    assert len(kept) == int(found.keep.sum()) > 0
    assert all(row["nearest"] is None and row["distance"] is None and not row["exact"] for row in kept)
    assert Lineage.from_metadata(written.schema.metadata) == LINEAGE_OF


def test_sets_that_cannot_be_compared_are_refused() -> None:
    """Two spaces, two lengths, no threshold: one line each."""
    train, test = _sets()
    with pytest.raises(SpaceError, match="two spaces"):
        find_leaks(_table(train, "a"), _table(test, "b", replace(LINEAGE_OF, space="other")))
    ours, lost = _table(train, "a"), _table(test, "b", None)
    for sides in ((ours, lost), (lost, ours)):
        with pytest.raises(SpaceError, match="unknown origin"):
            find_leaks(*sides)
        with pytest.raises(UsageError, match="expected euclidean, as a was trained, got cosine"):
            find_leaks(*sides, distance="cosine")
        assert find_leaks(*sides, distance="euclidean").threshold.origin == LINEAGE
    with pytest.raises(DataError, match="expected 5 numbers, as a has, got 4"):
        find_leaks(_table(train, "a"), _table(test[:, :4], "b"))
    with pytest.raises(UsageError, match="have their nearest other"):
        find_leaks(_table(train, "a", None), _table(test, "b", None), distance="euclidean")


def test_sets_of_one_row_are_compared() -> None:
    """One picture beside one picture."""
    one = np.ones((1, 3), np.float32)
    found = find_leaks(_table(one, "a"), _table(one, "b"))
    assert (found.keep.tolist(), found.exact.tolist()) == ([False], [True])
