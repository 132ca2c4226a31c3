"""What to label next: better than chance on real digits, and nothing that is labelled already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from analysis.datasets.selection import DEFAULT_METHOD, METHODS, select_rows, write_selection
from artifact.errors import DataError, SpaceError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

LINEAGE = Lineage(artifact="a", version=1, digest="d", space="s", distance="euclidean", normalized=False)


def _vectors(num: int = 60, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, 4)).astype(np.float32)


def test_the_default_learns_faster_than_chance() -> None:
    """Twenty labelled digits of 900: nearest-neighbour accuracy on the others, beside twenty draws at random."""
    digits = load_digits()
    vectors, classes = digits.data.astype(np.float32), digits.target

    def accuracy(rows: np.ndarray) -> float:
        model = KNeighborsClassifier(1).fit(vectors[rows], classes[rows])
        return float(model.score(vectors[900:], classes[900:]))

    chosen = select_rows(VectorTable.from_arrays(vectors[:900]), 20, distance="euclidean")
    rng = np.random.default_rng(0)
    random = [accuracy(rng.choice(900, 20, replace=False)) for _ in range(20)]
    assert accuracy(chosen.rows) > max(random)
    assert len(set(classes[chosen.rows].tolist())) == 10


@pytest.mark.parametrize("method", METHODS)
def test_a_longer_selection_begins_with_a_shorter_one(method: str) -> None:
    """The first ten of thirty are the ten that ten give, where the neighbours looked at are the same."""
    table = VectorTable.from_arrays(_vectors(900))
    ten, thirty = (select_rows(table, count, method=method, distance="euclidean").rows for count in (40, 60))
    if method == "diverse":
        assert thirty[:40].tolist() == ten.tolist()
    assert len(set(thirty[:40].tolist()) & set(ten.tolist())) >= 30


@pytest.mark.parametrize("method", METHODS)
def test_labelled_rows_and_copies_are_not_chosen(method: str) -> None:
    """Rows with a label, what equals one, and the second of two copies; None, "" and NaN are no labels."""
    vectors = _vectors(20)
    vectors[10] = vectors[0]  # a copy of a labelled one
    vectors[11] = vectors[5]  # of one that is not
    labels = ["a", "b", "c", None, ""] + [None] * 15
    table = VectorTable.from_arrays(vectors, {"id": list(range(20)), "label": labels})
    found = select_rows(table, 100, method=method, label="label", distance="euclidean")
    assert sorted(found.rows.tolist()) == [3, 4, 5, 6, 7, 8, 9, *range(12, 20)]
    assert (found.num_labelled, found.num_left) == (3, 15)
    assert found.mean_distance == pytest.approx(0.0, abs=1e-6)
    numbers = [1.0, np.nan] + [None] * 18
    found = select_rows(VectorTable.from_arrays(vectors, {"y": numbers}), 100, label="y", distance="cosine")
    assert found.num_labelled == 1


@pytest.mark.parametrize("method", METHODS)
def test_another_table_counts_as_labelled(method: str) -> None:
    """Rows near to its rows are left for later: the same answer as with both in one table."""
    vectors, others = _vectors(80), _vectors(10, seed=1)
    found = select_rows(
        VectorTable.from_arrays(vectors, lineage=LINEAGE),
        15,
        method=method,
        labelled=VectorTable.from_arrays(others, lineage=LINEAGE),
    )
    both = VectorTable.from_arrays(
        np.concatenate([vectors, others]), {"label": [None] * 80 + ["x"] * 10}, lineage=LINEAGE
    )
    assert found.rows.tolist() == select_rows(both, 15, method=method, label="label").rows.tolist()
    assert found.num_labelled == 10
    assert np.isfinite(found.distances).all()


@pytest.mark.parametrize("method", METHODS)
def test_coverage_is_told_of_what_is_left(method: str) -> None:
    """Mean and largest distance of unlabelled rows to the nearest labelled or chosen, by all distances."""
    vectors = _vectors(100)
    table = VectorTable.from_arrays(vectors, {"label": ["a"] * 5 + [None] * 95})
    found = select_rows(table, 10, method=method, label="label", distance="euclidean")
    known = np.concatenate([np.arange(5), found.rows])
    apart = np.linalg.norm(vectors[5:, None] - vectors[None, known], axis=-1).min(axis=1)
    assert found.mean_distance == pytest.approx(apart.mean(), rel=1e-5)
    assert found.farthest == pytest.approx(apart.max(), rel=1e-5)
    assert found.coverage_rows == 95


@pytest.mark.parametrize("method", METHODS)
def test_the_file_holds_the_rows_in_order(method: str, tmp_path: Path) -> None:
    """Id, columns, rank and distance, with the lineage; the same seed gives the same bytes."""
    columns = {"id": [f"{row}/ü" for row in range(60)], "rank": [9] * 60}
    table = VectorTable.from_arrays(_vectors(), columns, lineage=LINEAGE)
    found = select_rows(table, 7, method=method)
    assert write_selection(table, found, tmp_path / "a.parquet") == ["rank"]
    write_selection(table, select_rows(table, 7, method=method), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    written = parquet.read_table(tmp_path / "a.parquet")
    assert written["id"].to_pylist() == [columns["id"][row] for row in found.rows.tolist()]
    assert written["rank"].to_pylist() == list(range(1, 8))
    assert written["distance_before"].to_pylist() == [None, *found.distances[1:].tolist()]
    assert Lineage.from_metadata(written.schema.metadata, where="a") == LINEAGE


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num", [1, 2, 3])
def test_the_smallest_tables_are_chosen_from(method: str, num: int) -> None:
    """One row, two rows, three rows, with more asked for than there are."""
    found = select_rows(VectorTable.from_arrays(_vectors(num)), 5, method=method, distance="cosine")
    assert sorted(found.rows.tolist()) == list(range(num))


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    """Count, method, nothing left, another space, other dims, the table as output, NaN."""
    table = VectorTable.from_arrays(_vectors(), {"label": ["a"] * 60})
    for options, message in (
        ({"count": 0}, r"^count: expected at least 1, got 0$"),
        ({"count": 3, "method": "best"}, r"^method: expected one of representative, diverse, got 'best'$"),
        ({"count": 3, "seed": -1}, r"^seed: "),
    ):
        with pytest.raises(UsageError, match=message):
            select_rows(table, distance="euclidean", **options)
    with pytest.raises(DataError, match=r"^rows to label: expected some, got none: all are labelled"):
        select_rows(table, 3, label="label", distance="euclidean")
    with pytest.raises(SpaceError):
        select_rows(VectorTable.from_arrays(_vectors(), lineage=LINEAGE), 3, labelled=table)
    ours = VectorTable.from_arrays(_vectors() + 1, lineage=LINEAGE)
    for sides in ((table, ours), (ours, table)):
        assert select_rows(sides[0], 3, labelled=sides[1], distance="euclidean").distance == "euclidean"
        with pytest.raises(UsageError, match=r"^distance: expected euclidean, as a was trained, got cosine"):
            select_rows(sides[0], 3, labelled=sides[1], distance="cosine")
    narrow = VectorTable.from_arrays(_vectors()[:, :3])
    with pytest.raises(DataError, match=r"^labelled vectors: expected 4 dims as the table has, got 3 dims"):
        select_rows(table, 3, labelled=narrow, distance="euclidean")
    parquet.write_table(pa.table({"embedding": vector_array(_vectors())}), tmp_path / "t.parquet")
    table = VectorTable.open(tmp_path / "t.parquet")
    found = select_rows(table, 3, distance="euclidean")
    with pytest.raises(UsageError, match=r"^output: "):
        write_selection(table, found, tmp_path / "t.parquet")
    spoiled = _vectors()
    spoiled[2, 0] = np.nan
    with pytest.raises(DataError, match="row 2"):
        select_rows(VectorTable.from_arrays(spoiled), 3, distance="euclidean")


def test_the_default_is_the_first_method() -> None:
    """What the command says it is."""
    assert DEFAULT_METHOD == "representative"
