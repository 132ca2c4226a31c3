"""Regions and neighbours of two sets: shares counted by hand, and intervals that hold together."""

import numpy as np
import pytest

from analysis.datasets.comparison.neighbour_shares import neighbour_shares
from analysis.datasets.comparison.regions import TYPICAL, find_regions, region_shares
from analysis.datasets.comparison.two_sets import TwoSets, join_sets
from analysis.measures.intervals import difference_interval
from rows.vectors.table import VectorTable


def clusters(num_a: tuple[int, ...], num_b: tuple[int, ...]) -> TwoSets:
    """So many rows of each set around 0, 100, 200, ..."""
    rng = np.random.default_rng(0)
    drawn = [
        np.repeat(np.arange(len(each)) * 100.0, each)[:, None] + rng.normal(size=(sum(each), 2))
        for each in (num_a, num_b)
    ]
    return join_sets(*(VectorTable.from_arrays(each.astype("f4")) for each in drawn), distance="euclidean")


def test_shares_of_regions_are_those_of_the_clusters() -> None:
    """Three clusters of which B lacks one and has another three times as often; the most different comes first."""
    sets = clusters((60, 20, 20), (40, 60, 0))
    regions = find_regions(sets, 3, seed=0)
    p_values = np.array([0.5, 0.5, 0.5])
    p_values[regions.of_rows[70]] = 0.001
    p_values[regions.of_rows[90]] = 0.01
    found = region_shares(sets, regions, p_values, alpha=0.05)
    assert [(each.count_a, each.count_b) for each in found] == [(20, 60), (20, 0), (60, 40)]
    assert [each.ratio for each in found] == pytest.approx([3, 0, 2 / 3])
    assert [each.p_value for each in found] == [0.001, 0.01, 0.5]
    first = found[0]
    assert (first.low, first.high) == difference_interval(0.6, 100, 0.2, 100, alpha=0.05 / 3)
    members = np.flatnonzero(regions.of_rows == first.region)
    centre = sets.vectors[members].mean(axis=0)
    nearest = members[np.argsort(np.square(sets.vectors[members] - centre).sum(axis=1))]
    assert first.medoid == nearest[0]
    assert first.typical_a == [row for row in nearest.tolist() if row < 100][:TYPICAL]
    assert first.typical_b == [row for row in nearest.tolist() if row >= 100][:TYPICAL]
    assert found[1].typical_b == []
    assert found[1].facts([f"i{row}" for row in range(200)])["typical_b"] == []


def test_copies_lie_in_the_region_of_their_vector_and_are_not_named_twice() -> None:
    """Rows that do not count have a region all the same."""
    vectors = np.repeat(np.array([[0.0, 0], [1, 0], [90, 0], [91, 0]]), 3, axis=0).astype("f4")
    sets = join_sets(VectorTable.from_arrays(vectors), VectorTable.from_arrays(vectors[:6]), distance="euclidean")
    regions = find_regions(sets, 2, seed=0)
    assert (regions.of_rows[:6] == regions.of_rows[12]).all()
    assert (regions.of_rows[6:12] != regions.of_rows[0]).all()
    found = region_shares(sets, regions, np.ones(2), alpha=0.05)
    assert sorted((each.count_a, each.count_b) for each in found) == [(2, 0), (2, 2)]
    assert sorted(each.typical_a for each in found) == [[0, 3], [6, 9]]


def test_same_seed_same_regions() -> None:
    """And by themselves there is one for fifty vectors."""
    sets = clusters((100, 100), (100, 100))
    first, again = find_regions(sets, None, seed=3), find_regions(sets, None, seed=3)
    assert first.count == 8
    np.testing.assert_array_equal(first.of_rows, again.of_rows)


def test_neighbours_are_counted_as_a_plain_loop_counts_them() -> None:
    """Sets of unequal size with vectors in both; one that both have counts once in each."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 3)).astype("f4"), rng.normal(size=(70, 3)).astype("f4") + 1
    b[:5] = a[:5]
    sets = join_sets(VectorTable.from_arrays(a), VectorTable.from_arrays(b), distance="euclidean")
    found = neighbour_shares(sets, seed=0)
    vectors = np.concatenate([a, b[5:]]).astype(float)
    in_a, in_b = np.arange(105) < 40, (np.arange(105) < 5) | (np.arange(105) >= 40)
    for unit, vector in enumerate(vectors):
        near = [other for other in np.argsort(np.square(vectors - vector).sum(axis=1)).tolist() if other != unit][:10]
        np.testing.assert_allclose(found.share_b[unit], in_b[near].sum() / (in_a[near].sum() + in_b[near].sum()))
    assert (found.k, found.recall, found.expected_b) == (10, 1.0, 70 / 110)
    assert found.of_a < found.expected_b < found.of_b


def test_neighbours_of_three_vectors_are_the_other_two() -> None:
    """As many as there are."""
    tables = (VectorTable.from_arrays(np.array(each, "f4")) for each in ([[0, 0], [1, 1]], [[1, 1], [5, 5]]))
    found = neighbour_shares(join_sets(*tables, distance="euclidean"), seed=0)
    assert (found.k, found.share_b.tolist()) == (2, [2 / 3, 0.5, 1 / 3])
