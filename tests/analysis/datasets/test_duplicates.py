"""Duplicates beside a plain loop over all distances."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.spatial.distance import cdist

from analysis.datasets import duplicates as room
from analysis.datasets.duplicates import Duplicates, find_duplicates, write_duplicates
from analysis.datasets.thresholds import ASKED, LINEAGE, SHARE
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable

LINEAGE_OF = Lineage(
    artifact="a", version=1, digest="d", space="s", distance="euclidean", normalized=False, threshold=0.5
)


def _clumps(seed: int = 0, *, num_rows: int = 400, dim: int = 6) -> np.ndarray:
    """Points in clumps that overlap, copies among them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, dim))
    found = centres[rng.integers(40, size=num_rows)] + 0.12 * rng.normal(size=(num_rows, dim))
    found[-30:] = found[:30]
    return found.astype(np.float32)


def _table(vectors: np.ndarray, **columns: object) -> VectorTable:
    return VectorTable.from_arrays(vectors, {"id": [f"r{row:04d}" for row in range(len(vectors))], **columns})


def _apart(vectors: np.ndarray, distance: str = "euclidean") -> np.ndarray:
    return cdist(vectors.astype(np.float64), vectors.astype(np.float64), distance)


def _leaders_by_loop(apart: np.ndarray, threshold: float, order: list[int]) -> list[int]:
    """The kept row of each row, by the rule as it is told."""
    kept = [-1] * len(order)
    for row in order:
        if kept[row] < 0:
            for other in order:
                if kept[other] < 0 and apart[row, other] <= threshold:
                    kept[other] = row
    return kept


@pytest.mark.parametrize("neighbours", [4, 16, 399])
def test_groups_are_those_of_a_plain_loop(neighbours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the table, however few neighbours are looked at first."""
    monkeypatch.setattr(room, "NEIGHBOURS", neighbours)
    vectors = _clumps()
    table = _table(vectors)
    found = find_duplicates(table, threshold=0.35, distance="euclidean", worth=-np.arange(400.0))
    apart = _apart(vectors)
    expected = _leaders_by_loop(apart, 0.35, list(range(400)))
    assert found.kept.tolist() == expected
    assert (found.sizes[0], len(found.sizes)) == (max(map(expected.count, expected)), len({*found.groups} - {-1}))
    np.testing.assert_allclose(found.distances, apart[np.arange(400), expected], atol=1e-6)


@pytest.mark.parametrize(("distance", "threshold"), [("euclidean", 0.4), ("squared_euclidean", 0.16), ("cosine", 0.02)])
def test_kept_rows_are_apart_and_the_others_near_them(distance: str, threshold: float) -> None:
    """What the leader rule promises: no two kept rows are within the threshold, and groups do not chain."""
    vectors = _clumps(1)
    found = find_duplicates(_table(vectors), threshold=threshold, distance=distance)
    apart = _apart(vectors, "sqeuclidean" if distance == "squared_euclidean" else distance)
    keep = np.flatnonzero(found.keep)
    among = apart[np.ix_(keep, keep)] + np.eye(len(keep)) * 9
    assert among.min() > threshold - 1e-6
    assert (apart[np.arange(400), found.kept] <= threshold + 1e-6).all()
    assert 0 < len(found.sizes) < 300
    assert (np.diff(found.sizes) <= 0).all()


def test_a_chain_is_several_groups() -> None:
    """Of pictures that each look like the next, those at the ends are no copies of each other."""
    line = np.arange(9, dtype=np.float32)[:, None] * np.float32([1, 0])
    found = find_duplicates(_table(line), threshold=1.0, distance="euclidean")
    assert found.sizes.max() == 3
    assert found.distances.max() == 1.0


def test_order_of_the_rows_decides_nothing() -> None:
    """The same groups and the same rows kept, by id, when the table is shuffled."""
    vectors = _clumps(2)
    ids = np.array([f"r{row:04d}" for row in range(400)])

    def kept_ids(order: np.ndarray) -> dict[str, str]:
        table = VectorTable.from_arrays(vectors[order], {"id": ids[order].tolist()})
        found = find_duplicates(table, threshold=0.35, distance="euclidean")
        return dict(zip(ids[order].tolist(), ids[order][found.kept].tolist(), strict=True))

    shuffled = np.random.default_rng(3).permutation(400)
    assert kept_ids(np.arange(400)) == kept_ids(shuffled)


def test_lists_and_flat_search_agree() -> None:
    """Inverted lists give nearly the groups of an exact search, at the recall that they tell."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(300, 16))
    vectors = (centres[rng.integers(300, size=6000)] + 0.3 * rng.normal(size=(6000, 16))).astype(np.float32)
    vectors[:500] = vectors[500:1000] + 1e-3
    table = _table(vectors)
    exact = find_duplicates(table, threshold=0.02, distance="euclidean")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.search.graph.FLAT_PRODUCTS", 0)
        lists = find_duplicates(table, threshold=0.02, distance="euclidean")
    assert (exact.kind, exact.recall, lists.kind) == ("flat", 1.0, "ivf")
    assert lists.recall >= 0.99
    assert (exact.keep != lists.keep).mean() < 0.002
    assert exact.sizes.sum() == 1000


def test_many_copies_of_one_row_are_one_group() -> None:
    """More copies than neighbours are looked at, exact and near ones: one group, of all."""
    rng = np.random.default_rng(0)
    blank = np.zeros((300, 8), np.float32)
    blank[200:] = 1e-3 * rng.normal(size=(100, 8))
    others = rng.normal(size=(100, 8)).astype(np.float32) * 9
    found = find_duplicates(_table(np.concatenate([others, blank])), threshold=0.1, distance="euclidean")
    assert found.sizes.tolist() == [300]
    assert found.exact.sum() == 199
    assert not found.groups[100:].any()


def test_exact_copies_are_equal_vectors_where_no_picture_is_known() -> None:
    """Also at a threshold of 0, and 0 is -0."""
    vectors = _clumps(4)
    vectors[5], vectors[6] = 0.0, -0.0
    found = find_duplicates(_table(vectors), threshold=0.0, distance="cosine")
    assert found.content == "vectors"
    assert found.exact.sum() == 29
    assert found.sizes.tolist() == [2] * 29
    assert found.kept[6] == 5


def test_content_of_pictures_comes_before_the_distance() -> None:
    """Equal files are copies however far apart, equal vectors of other files are not."""
    vectors = np.float32([[0, 0], [9, 9], [5, 0], [5, 0], [7, 7], [7, 7.5]])
    content = [hashlib.sha256(text).hexdigest() for text in (b"a", b"a", b"b", b"c", b"d", b"e")]
    found = find_duplicates(_table(vectors), threshold=0.0, distance="euclidean", content=content)
    assert found.content == "pictures"
    assert found.exact.tolist() == [False, True, False, False, False, False]
    assert found.groups.tolist() == [1, 1, 0, 0, -1, -1]
    assert found.distances[1] == pytest.approx(np.sqrt(162))


def test_the_row_of_most_worth_is_kept() -> None:
    """Of each group, and a row of unknown worth only where there is no other."""
    vectors = np.float32([[0, 0], [0, 0.1], [0, 0.2], [5, 5], [5, 5.1]])
    worth = np.array([1.0, np.nan, 3.0, np.nan, np.nan])
    found = find_duplicates(_table(vectors), threshold=0.3, distance="euclidean", worth=worth)
    assert found.kept.tolist() == [2, 2, 2, 3, 3]
    assert found.members(0).tolist() == [2, 1, 0]


def test_threshold_is_asked_for_or_a_share_or_the_artifacts() -> None:
    """Each is told with where it comes from, and the share is one of the rows that are no exact copies."""
    vectors = _clumps(5)
    apart = _apart(vectors)
    np.fill_diagonal(apart, np.inf)
    lineage = VectorTable.from_arrays(vectors, lineage=LINEAGE_OF)
    assert (find_duplicates(lineage).threshold.value, find_duplicates(lineage).threshold.origin) == (0.5, LINEAGE)
    asked = find_duplicates(lineage, threshold=0.1).threshold
    assert (asked.value, asked.origin) == (0.1, ASKED)
    found = find_duplicates(lineage, share=0.2)
    assert found.threshold.origin == SHARE
    apart[apart < 1e-6] = np.inf
    nearest = apart.min(axis=1)
    assert (nearest <= found.threshold.value + 1e-6).mean() == pytest.approx(0.2, abs=0.005)
    assert found.nearest["0.5"] == pytest.approx(np.quantile(nearest, 0.5), abs=1e-5)


def test_without_a_threshold_distances_are_proposed() -> None:
    """One line with quantiles of the distances to the nearest other row, as they are."""
    vectors = _clumps(6)[:300]
    apart = _apart(vectors)
    np.fill_diagonal(apart, np.inf)
    half = f"50% of the rows within {np.quantile(apart.min(axis=1), 0.5):.4g}"
    with pytest.raises(UsageError, match=r"try --share 0\.01, or --threshold") as caught:
        find_duplicates(_table(vectors), distance="euclidean")
    assert half in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": -1.0}, "a distance of at least 0, got -1.0"),
        ({"threshold": float("nan")}, "a distance of at least 0, got nan"),
        ({"threshold": 1.0, "share": 0.1}, "--threshold or --share, got both"),
        ({"share": 0.0}, "in \\(0, 1\\], got 0.0"),
        ({"threshold": 1.0, "content": ["a"]}, "one for each of 400 rows, got 1"),
        ({"threshold": 1.0, "worth": np.zeros(3)}, "one for each of 400 rows, got 3"),
    ],
)
def test_senseless_wishes_are_one_line(options: dict[str, object], words: str) -> None:
    """What is out of range says so."""
    with pytest.raises((UsageError, DataError), match=words):
        find_duplicates(_table(_clumps()), distance="euclidean", **options)


def test_one_row_is_refused_and_two_are_compared() -> None:
    """Two rows are a group or two rows alone."""
    with pytest.raises(DataError, match="at least 2 rows"):
        find_duplicates(_table(_clumps()[:1]), threshold=1.0, distance="euclidean")
    near = find_duplicates(_table(np.zeros((2, 3), np.float32)), threshold=0.0, distance="euclidean")
    assert near.sizes.tolist() == [2]
    far = find_duplicates(_table(np.eye(2, dtype=np.float32)), threshold=0.5, distance="euclidean")
    assert (far.sizes.tolist(), far.keep.tolist()) == ([], [True, True])


def test_file_has_a_row_for_each_with_its_columns(tmp_path: Path) -> None:
    """Ids and columns as they are, ours beside them, lineage on; a column of the same name gives way and is told."""
    vectors = np.float32([[0, 0], [0, 0.1], [9, 9]])
    table = VectorTable.from_arrays(
        vectors, {"id": [7, 8, 9], "label": ["ä", "b", ""], "group": ["x", "y", "z"]}, lineage=LINEAGE_OF
    )
    found = find_duplicates(table)
    assert write_duplicates(table, found, tmp_path / "d.parquet") == ["group"]
    written = pq.read_table(tmp_path / "d.parquet")
    assert written.to_pydict() == {
        "id": [7, 8, 9],
        "label": ["ä", "b", ""],
        "group": [0, 0, None],
        "distance": [0.0, pytest.approx(0.1), None],
        "exact": [False] * 3,
        "keep": [True, False, True],
    }
    assert Lineage.from_metadata(written.schema.metadata) == LINEAGE_OF
    assert isinstance(found, Duplicates)


def test_integer_ids_are_ordered_as_numbers() -> None:
    """Of two equal rows 9 is kept before 10, and by text "10" before "9"."""
    same = np.zeros((2, 2), np.float32)
    numbers = find_duplicates(VectorTable.from_arrays(same, {"id": [10, 9]}), threshold=0.0, distance="euclidean")
    texts = find_duplicates(VectorTable.from_arrays(same, {"id": ["10", "9"]}), threshold=0.0, distance="euclidean")
    assert (numbers.kept.tolist(), texts.kept.tolist()) == ([1, 1], [0, 0])
