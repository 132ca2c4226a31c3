"""Paired cosines and recall@1: the ranking of a plain loop, and an interval that an independent computation gives."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from analysis.measures.paired import paired_interval, paired_recall
from analysis.measures.ranking import rank_within
from analysis.measures.retrieval import retrieval_metrics
from artifact.distances import DISTANCES
from artifact.errors import DataError, UsageError


def tango_by_likelihood(only_first: int, only_second: int, total: int, limit: float) -> tuple[float, float]:
    """Tango's interval without his closed form: the constrained likelihood is maximised by a numerical search."""

    def score(difference: float) -> float:
        both = total - only_first - only_second
        low, high = max(0.0, -difference), (1 - difference) / 2

        def minus_log_likelihood(second: float) -> float:
            shares = (second + difference, second, 1 - difference - 2 * second)
            counts = (only_first, only_second, both)
            return -sum(count * math.log(max(share, 1e-300)) for count, share in zip(counts, shares, strict=True))

        options = {"xatol": 1e-14}
        second = minimize_scalar(minus_log_likelihood, bounds=(low, high), method="bounded", options=options).x
        variance = 2 * second + difference - difference**2
        return (only_first - only_second - total * difference) / math.sqrt(total * variance)

    middle = (only_first - only_second) / total
    near = 1e-9
    return (
        brentq(lambda x: score(x) - limit, -1 + near, middle - near),
        brentq(lambda x: score(x) + limit, middle + near, 1 - near),
    )


@pytest.mark.parametrize("counts", [(10, 4, 2000), (1, 20, 2000), (44, 1, 50), (5, 3, 12), (300, 250, 2500)])
def test_interval_is_that_of_a_numerical_likelihood(counts: tuple[int, int, int]) -> None:
    """Both ends agree with a search over the constrained likelihood."""
    low, high = paired_interval(*counts)
    expected = tango_by_likelihood(*counts, 1.959963984540054)
    assert (low, high) == pytest.approx(expected, abs=2e-6)


def test_interval_agrees_with_a_bootstrap_where_disagreements_are_many() -> None:
    """Resampling the queries gives the same interval within a twentieth of its width."""
    only_first, only_second, total = 120, 60, 2000
    signs = np.repeat([1.0, -1.0, 0.0], [only_first, only_second, total - only_first - only_second])
    random = np.random.default_rng(0)
    means = [signs[random.integers(0, total, total)].mean() for _ in range(4000)]
    low, high = paired_interval(only_first, only_second, total)
    assert np.quantile(means, [0.025, 0.975]) == pytest.approx([low, high], abs=(high - low) / 20)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of 2,000 simulated comparisons with few disagreements, 95 % of the intervals hold the true difference."""
    random = np.random.default_rng(1)
    draws = random.multinomial(400, [0.02, 0.01, 0.97], size=2000)
    covered = [low <= 0.01 <= high for low, high in (paired_interval(int(b), int(c), 400) for b, c, _ in draws)]
    assert 0.935 <= np.mean(covered) <= 0.975


def test_no_disagreement_is_no_proof_of_none_to_come() -> None:
    """Without one disagreement the interval is z^2 / (n + z^2) to both sides, and not empty."""
    squared = 1.959963984540054**2
    assert paired_interval(0, 0, 2000) == pytest.approx([-squared / (2000 + squared), squared / (2000 + squared)])


@pytest.mark.parametrize("counts", [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    """Counts over the total and negative ones make no interval."""
    with pytest.raises(UsageError, match="expected"):
        paired_interval(*counts)


@pytest.mark.parametrize("distance", list(DISTANCES))
def test_nearest_is_that_of_a_plain_loop(distance: str) -> None:
    """With duplicates across classes, so that ties are decided against the query."""
    random = np.random.default_rng(2)
    vectors = random.normal(size=(60, 3)).astype(np.float32).round(1)
    vectors[40:50] = vectors[:10]
    labels = random.integers(0, 5, 60)
    expected = []
    for row in range(60):
        found = [(float(DISTANCES[distance](vectors[row], vectors[other])), other) for other in range(60)]
        ranked = sorted((value, labels[other] == labels[row]) for value, other in found if other != row)
        expected.append(bool(ranked[0][1]))
    ranking = rank_within(vectors, labels, distance=distance)
    assert ranking is not None
    got = ranking.values["recall@1"]
    assert ranking.rows.tolist() == list(range(60))
    assert got.tolist() == expected
    assert got.mean() == pytest.approx(retrieval_metrics(vectors, labels, distance=distance, ks=(1,))["recall@1"])


def test_paired_recall_counts_what_only_one_network_gets_right() -> None:
    """One image of class 0 moves between those of class 1 and spoils three queries; a class of one is left out."""
    labels = [0, 0, 0, 1, 1, 1, 2]
    good = np.array([[0], [1], [2], [10], [11], [12], [50]], np.float32)
    bad = good.copy()
    bad[2] = 11.4
    lost = paired_recall(good, bad, labels, distance="euclidean")
    assert (lost.queries, lost.only_reference, lost.only_candidate) == (6, 3, 0)
    assert (lost.reference, lost.candidate, lost.lost) == (1.0, 0.5, 0.5)
    assert (lost.low, lost.high) == paired_interval(3, 0, 6)
    gained = paired_recall(bad, good, labels, distance="euclidean")
    assert (gained.only_reference, gained.only_candidate, gained.lost) == (0, 3, -0.5)


def test_sets_of_two_lengths_are_refused() -> None:
    """Row by row means the same rows."""
    with pytest.raises(DataError, match="candidate vectors: expected 3 rows, got 2"):
        paired_recall(np.zeros((3, 2), np.float32), np.zeros((2, 2), np.float32), [0, 0, 1], distance="euclidean")
