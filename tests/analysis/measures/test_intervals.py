"""Confidence intervals: known values, and how often they hold the truth in simulations."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.measures.intervals import MIN_CLASSES, class_intervals, difference_interval, mean_interval
from artifact.errors import UsageError


def test_mean_interval_of_yes_and_no_is_wilsons() -> None:
    """Against scipy's, for a share in the middle, none and all."""
    from scipy.stats import binomtest

    for right, total in ((30, 100), (0, 40), (40, 40), (1, 7)):
        values = np.repeat([1.0, 0.0], [right, total - right])
        expected = binomtest(right, total).proportion_ci(method="wilson")
        assert mean_interval(values) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_mean_interval_of_a_whole_population_has_no_width() -> None:
    """And of nearly all of it hardly any; a small part of a large one is as one of an endless one."""
    values = np.repeat([1.0, 0.0], [30, 70])
    assert mean_interval(values, population=100) == (0.3, 0.3)
    low, high = mean_interval(values, population=101)
    assert high - low < 0.02
    assert mean_interval(values, population=10**9) == pytest.approx(mean_interval(values), abs=1e-6)


@pytest.mark.parametrize(("size", "population"), [(60, None), (150, 200)])
def test_mean_interval_holds_the_truth_as_often_as_it_says(size: int, population: int | None) -> None:
    """Average precisions of a sample of queries: at least 93 % of 1,000 intervals at 95 %, and not much wider."""
    rng = np.random.default_rng(0)
    everyone = rng.beta(0.6, 0.4, population or 100_000)
    held, widths, means = 0, [], []
    for _ in range(1000):
        values = rng.choice(everyone, size, replace=False)
        low, high = mean_interval(values, population=population)
        held += low <= everyone.mean() <= high
        widths.append(high - low)
        means.append(values.mean())
    assert 0.93 <= held / 1000 <= 0.975
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(means), rel=0.1)


def correlated(rng: np.random.Generator, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong of 20 queries a class, where classes are easy or hard: the truth is 0.7."""
    easy = rng.beta(2.1, 0.9, num_classes)
    codes = np.repeat(np.arange(num_classes), 20)
    return (rng.random(len(codes)) < easy[codes]).astype(float)[:, None], codes


def test_class_interval_holds_the_truth_where_one_over_queries_does_not() -> None:
    """Of 150 simulated sets of 60 classes; each query its own class is the bootstrap over queries."""
    rng = np.random.default_rng(1)
    by_class = by_query = 0
    for _ in range(150):
        values, codes = correlated(rng, 60)
        for over_queries in (False, True):
            drawn = np.arange(len(values)) if over_queries else codes
            found = class_intervals(values, drawn, resamples=100, seed=int(rng.integers(1000)))
            assert found is not None
            holds = found[0][0] <= 0.7 <= found[0][1]
            by_query += over_queries and holds
            by_class += (not over_queries) and holds
    assert 0.89 <= by_class / 150 <= 0.99
    assert by_query / 150 < 0.75


def test_class_interval_equals_a_plain_loop_over_resamples() -> None:
    """Drawing classes by name and pooling their rows, with another generator, gives nearly the same ends."""
    rng = np.random.default_rng(2)
    values, codes = correlated(rng, 30)
    values = np.concatenate([values, values**2 / 3], axis=1)[: 30 * 20 - 13]  # the last class is smaller
    codes = codes[: len(values)] * 7 + 3  # not dense
    means = []
    for _ in range(4000):
        drawn = rng.choice(np.unique(codes), 30)
        means.append(np.concatenate([values[codes == code] for code in drawn]).mean(axis=0))
    found = class_intervals(values, codes, resamples=4000, seed=5)
    assert found is not None
    expected = np.quantile(means, [0.025, 0.975], axis=0).T
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert found == class_intervals(values, codes, resamples=4000, seed=5)
    assert found != class_intervals(values, codes, resamples=4000, seed=6)


def test_too_few_classes_have_no_interval() -> None:
    """Four are too few, five are not."""
    values = np.linspace(0, 1, 20)[:, None]
    assert class_intervals(values, np.arange(20) % (MIN_CLASSES - 1), resamples=10) is None
    assert class_intervals(values, np.arange(20) % MIN_CLASSES, resamples=10) is not None


def test_intervals_refuse_what_makes_no_sense() -> None:
    """One line each."""
    values, codes = np.ones((4, 1)), np.arange(4)
    for call, text in (
        (lambda: class_intervals(values, codes, resamples=0), "bootstrap: expected at least 1 resample, got 0"),
        (lambda: class_intervals(values, codes, resamples=1, seed=-1), "seed: expected at least 0, got -1"),
        (lambda: mean_interval(values[:0, 0]), "values: expected at least one, got none"),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert str(caught.value) == text


@pytest.mark.parametrize(
    ("first", "num_first", "second", "num_second", "low", "high"),
    [(56 / 70, 70, 48 / 80, 80, 0.0524, 0.3339), (0.9, 10, 0.3, 10, 0.1705, 0.8090), (1.0, 10, 0.0, 10, 0.6075, 1.0)],
)
def test_difference_interval_is_newcombes(
    first: float, num_first: int, second: float, num_second: int, low: float, high: float
) -> None:
    """Examples (a), (b) and (h) of his table II, method 10."""
    found = difference_interval(first, num_first, second, num_second)
    assert found == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    turned = difference_interval(second, num_second, first, num_first)
    assert turned == (pytest.approx(-high, abs=5e-5), pytest.approx(-low, abs=5e-5))
    assert difference_interval(first, num_first, second, num_second, alpha=0.01)[0] < low
