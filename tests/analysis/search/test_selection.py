"""Searches among the rows that meet a condition, beside a plain loop over those rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.search import index as index_module
from analysis.search import selection
from analysis.search.growth import remove_rows
from analysis.search.index import Index
from artifact.distances import DISTANCES
from artifact.errors import DataError, UsageError
from rows.vectors.table import VectorTable


def mixture(num_rows: int, dim: int = 8) -> Any:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(30, dim)) * 3
    return (centres[rng.integers(0, 30, num_rows)] + rng.normal(size=(num_rows, dim))).astype(np.float32)


def table(num_rows: int) -> VectorTable:
    columns = {"id": range(num_rows), "share": np.arange(num_rows) % 100, "side": mixture(num_rows)[:, 0]}
    return VectorTable.from_arrays(mixture(num_rows), columns)


def look_at_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few the rows are that match, and the queries."""
    monkeypatch.setattr(index_module, "MANY_QUERIES", 0)
    monkeypatch.setattr(selection, "COMPARED_VALUES", 0)


def plain_loop(num_rows: int, queries: Any, k: int, distance: str, keep: Any) -> list[list[int]]:
    """Ids of the nearest rows for which keep(row number) is true, every pair by the artifact's own function."""
    vectors = mixture(num_rows)
    rows = [row for row in range(num_rows) if keep(row)]
    found = []
    for query in queries:
        apart = DISTANCES[distance](query.astype(np.float64)[None], vectors[rows].astype(np.float64))
        found.append([row for _, row in sorted(zip(apart.tolist(), rows, strict=True))[:k]])
    return found


@pytest.mark.parametrize("kind", ["flat", "ivf"])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("is_few", [True, False])
@pytest.mark.parametrize("share", [1, 7, 60])
def test_rows_are_left_out_before_they_are_ranked(
    kind: str, distance: str, is_few: bool, share: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Mapped from disk, few rows and many: the nearest, as many as asked for; through lists with the recall told."""
    Index.build(table(2000), distance=distance, kind=kind).save(tmp_path / "i")
    if not is_few:
        look_at_lists(monkeypatch)
    whole = Index.open(tmp_path / "i")
    chosen = whole.where(f"share < {share}")
    queries = mixture(40)
    assert chosen.num_rows == 20 * share
    found = [[row["id"] for row in rows] for rows in chosen.search(queries, 9)]
    expected = plain_loop(2000, queries, 9, distance, lambda row: row % 100 < share)
    assert chosen.is_exact or (kind, is_few, share) == ("ivf", False, 60)
    if chosen.is_exact:
        assert found == expected
        return
    assert chosen.recall is not None
    assert chosen.recall >= 0.97
    hits = [len(set(a) & set(b)) for a, b in zip(found, expected, strict=True)]
    assert sum(hits) / (9 * len(queries)) >= 0.95
    assert all(row % 100 < share for rows in found for row in rows)
    assert whole.parameters["nprobe"] == Index.open(tmp_path / "i").parameters["nprobe"]


def test_lists_are_looked_through_where_few_of_them_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows from everywhere: through lists. Rows of one side, for queries from all of it: each is compared."""
    look_at_lists(monkeypatch)
    whole = Index.build(table(6000), distance="euclidean", kind="ivf")
    assert whole.where("share < 60").kind == "ivf"
    chosen = whole.where("side > 2")
    assert chosen.kind == "flat"
    side, queries = mixture(6000)[:, 0], mixture(6000)[:50]
    expected = plain_loop(6000, queries, 5, "euclidean", lambda row: side[row] > 2)
    assert [[row["id"] for row in rows] for rows in chosen.search(queries, 5)] == expected


@pytest.mark.parametrize("distance", DISTANCES)
def test_batches_of_rows_give_what_all_at_once_do(distance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that come in batches of a few, copies of each other among them: the lower row first."""
    vectors = np.concatenate([mixture(100), mixture(100)])
    whole = Index.build(VectorTable.from_arrays(vectors, {"id": range(200)}), distance=distance)
    at_once = whole.where("id <> 7").search(mixture(100), 12)
    monkeypatch.setattr(selection, "BATCH_BYTES", 9 * 4 * 8)
    batched = whole.where("id <> 7").search(mixture(100), 12)
    ids = [[row["id"] for row in rows] for rows in batched]
    assert ids == [[row["id"] for row in rows] for rows in at_once]
    assert [rows[:2] for rows in ids] == [[row, row + 100] if row != 7 else ids[7][:2] for row in range(100)]
    assert ids[7][0] == 107


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_fewer_rows_than_asked_for_are_all_of_them(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows, one row, none; k stays what can be had."""
    whole = Index.build(table(300), distance="cosine", kind=kind)
    for is_few in (True, False):
        if not is_few:
            look_at_lists(monkeypatch)
        found = whole.where("share = 5").search(mixture(300)[:2], 10)
        assert [sorted(row["id"] for row in rows) for rows in found] == [[5, 105, 205]] * 2
        assert [len(rows) for rows in whole.where("id = 7").search(mixture(300)[:2], 10)] == [1, 1]
        nothing = whole.where("id = 7 and share = 8")
        assert (nothing.num_rows, nothing.dim) == (0, 8)
        assert nothing.search(mixture(300)[:3], 10) == [[], [], []]
        assert nothing.search_table(mixture(300)[:3], 10).schema == whole.search_table(mixture(300)[:3], 10).schema
        with pytest.raises(DataError, match=r"^queries: expected 8 dims as the references have, got 3$"):
            nothing.search(np.zeros((1, 3), np.float32), 1)


def test_a_condition_that_all_rows_meet_changes_nothing() -> None:
    """The index itself."""
    whole = Index.build(table(300), distance="cosine")
    assert whole.where("share >= 0") is whole


def test_selected_rows_are_no_index_to_write_or_change(tmp_path: Path) -> None:
    """One line."""
    chosen = Index.build(table(300), distance="cosine", kind="ivf").where("share < 50")
    with pytest.raises(UsageError, match=r"^index: expected a whole one to write, got selected rows of one$"):
        chosen.save(tmp_path / "other")
    with pytest.raises(UsageError, match=r"^index: expected one in memory to change, got "):
        remove_rows(chosen, ["1"])


def test_searching_among_rows_of_a_condition_of_itself_narrows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A condition on rows that met one."""
    whole = Index.build(table(300), distance="cosine", kind="ivf")
    for is_few in (True, False):
        if not is_few:
            look_at_lists(monkeypatch)
        twice = whole.where("share < 50").where("share > 47")
        found = twice.search(mixture(300)[:1], 10)[0]
        assert sorted(row["id"] for row in found) == [48, 49, 148, 149, 248, 249]
