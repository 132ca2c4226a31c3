"""The two-sample test beside a plain one on the same relabellings, its level, and what it finds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from analysis.datasets.comparison import relabellings
from analysis.datasets.comparison.difference_test import DifferenceTest, difference_test
from analysis.datasets.comparison.landmarks import choose_landmarks, landmarks_of
from analysis.datasets.comparison.regions import find_regions
from analysis.datasets.comparison.relabellings import relabelled_weights
from analysis.datasets.comparison.two_sets import join_sets
from rows.vectors.table import VectorTable

Array = np.ndarray


def ask(a: Array, b: Array, *, seed: int = 0, count: int = 99, every_row: bool = False) -> DifferenceTest:
    tables = (VectorTable.from_arrays(each.astype(np.float32)) for each in (a, b))
    sets = join_sets(*tables, distance="euclidean", every_row=every_row)
    return difference_test(
        sets.unit_vectors,
        sets.in_a,
        sets.in_b,
        landmarks=landmarks_of(sets, seed=seed),
        regions=find_regions(sets, None, seed=seed).of_units,
        count=count,
        rng=np.random.default_rng([seed, 1]),
    )


def patterns(num_a: int, num_b: int, num_both: int) -> tuple[Array, Array]:
    in_a = np.repeat([True, False, True], [num_a, num_b, num_both])
    in_b = np.repeat([False, True, True], [num_a, num_b, num_both])
    return in_a, in_b


def test_relabellings_deal_every_pattern_as_often_as_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of 256 of 700 units: each row of weights has 300, 350 and 50 of the three, in any order."""
    monkeypatch.setattr(relabellings, "_BLOCK_VALUES", 1)
    in_a, in_b = patterns(300, 350, 50)
    blocks = list(relabelled_weights(in_a, in_b, 400, np.random.default_rng(0)))
    assert [block for block, _ in blocks] == [slice(0, 256), slice(256, 512), slice(512, 700)]
    weights = np.concatenate([each for _, each in blocks], axis=1)  # [401, 700]
    of_both = np.float32(1 / 350 - 1 / 400)
    np.testing.assert_array_equal(
        weights[0], np.where(in_a & in_b, of_both, np.where(in_a, 1 / 350, -1 / 400)).astype("f4")
    )
    assert ((weights == np.float32(1 / 350)).sum(axis=1) == 300).all()
    assert ((weights == of_both).sum(axis=1) == 50).all()
    # a unit is of A alone in 300 of 700 relabellings, and two, of one block or of two, in 300 x 299 of 700 x 699
    alone = weights[1:] == np.float32(1 / 350)
    assert abs(alone.mean(axis=0) - 3 / 7).max() < 5 * np.sqrt(12 / 49 / 400)
    for other in (1, 256, 699):
        assert abs((alone[:, 0] & alone[:, other]).mean() - 300 * 299 / (700 * 699)) < 0.08


def test_statistics_are_those_of_a_plain_loop() -> None:
    """All pairs of vectors in float64 with the same relabellings, sets of unequal size with vectors in both."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(40, 3)).astype(np.float32)
    in_a, in_b = patterns(12, 20, 8)
    landmarks = choose_landmarks(vectors, np.random.default_rng(0))
    regions = rng.integers(0, 4, 40)
    found = difference_test(
        vectors.__getitem__, in_a, in_b, landmarks=landmarks, regions=regions, count=60, rng=np.random.default_rng(5)
    )
    blocks = relabelled_weights(in_a, in_b, 60, np.random.default_rng(5))
    weights = np.concatenate([each for _, each in blocks], axis=1).astype(float)
    squared = np.square(vectors[:, None].astype(float) - vectors[None]).sum(axis=-1)
    bandwidth = np.median(np.sqrt(squared[np.triu_indices(40, 1)]))
    assert landmarks.bandwidth == pytest.approx(bandwidth, rel=1e-6)
    statistics: dict[str, Any] = {}
    for scale in (0.5, 1, 2):
        kernel = np.exp(-squared / (2 * (scale * bandwidth) ** 2))
        statistics[f"mmd {scale:g}"] = [each @ kernel @ each for each in weights]
    apart = np.array(
        [
            [abs(each[regions == k].sum()) / np.sqrt((regions == k).mean() * (regions != k).mean()) for k in range(4)]
            for each in weights
        ]
    )
    statistics["regions"] = apart.max(axis=1)
    mmd = statistics["mmd 1"]
    assert found.mmd_squared == pytest.approx(mmd[0] - np.mean(mmd[1:]), rel=1e-3)
    np.testing.assert_allclose(found.relabelled, mmd[1:] - np.mean(mmd[1:]), atol=1e-5)
    p_values = np.array([[np.mean(np.array(v) >= x - 1e-7) for x in v] for v in statistics.values()])
    assert found.p_values == pytest.approx(dict(zip(statistics, p_values[:, 0], strict=True)))
    smallest = p_values.min(axis=0)
    assert found.p_value == pytest.approx(np.mean(smallest <= smallest[0]))
    expected = [(apart.max(axis=1) >= apart[0, k] - 1e-7).mean() for k in range(4)]
    np.testing.assert_allclose(found.region_p_values, expected)


def heavy_tailed(rng: np.random.Generator) -> tuple[Array, Array]:
    return rng.standard_t(2, (30, 4)), rng.standard_t(2, (60, 4))


def clustered_with_copies(rng: np.random.Generator) -> tuple[Array, Array]:
    """Five clusters; A has every row of its own three times, and a third of each set is in the other too."""
    drawn = rng.integers(0, 5, 100)[:, None] * 3.0 + rng.normal(size=(100, 3)) * 0.3
    a, b = drawn[:50], drawn[50:]
    return np.concatenate([a, a, a, b[:25]]), np.concatenate([b, a[:25]])


@pytest.mark.parametrize("draw", [heavy_tailed, clustered_with_copies])
def test_p_values_of_one_population_are_uniform(draw: Callable[[np.random.Generator], tuple[Array, Array]]) -> None:
    """Of 80 pairs without a difference, heavy tails, unequal sizes and copies or not."""
    p_values = [ask(*draw(np.random.default_rng([1, seed])), seed=seed).p_value for seed in range(80)]
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) <= 0.125


def test_copies_counted_as_rows_feign_a_difference() -> None:
    """Five clusters, every row six times in its set: counted so, most pairs of one population differ; else few."""
    called = {True: 0, False: 0}
    for seed in range(10):
        rng = np.random.default_rng([1, seed])
        a, b = (rng.integers(0, 5, 30)[:, None] * 3.0 + rng.normal(size=(30, 3)) * 0.3 for _ in range(2))
        for every_row in called:
            found = ask(np.tile(a, (6, 1)), np.tile(b, (6, 1)), seed=seed, every_row=every_row)
            called[every_row] += found.p_value <= 0.05
    assert called[False] <= 2 < 5 < called[True]


def test_a_shift_of_everything_is_found_by_kernels_and_a_foreign_cluster_by_regions() -> None:
    """Each statistic alone misses what the other finds; together they find both."""
    rng = np.random.default_rng(0)
    shifted = ask(rng.normal(size=(300, 40)), rng.normal(size=(300, 40)) + 0.09)
    assert (shifted.p_value, shifted.p_values["mmd 1"]) <= (0.05, 0.01)
    assert shifted.p_values["regions"] > 0.05
    centres = rng.normal(size=(13, 40)) * 3

    def draw(num: int, foreign: int) -> Array:
        of = np.append(rng.integers(0, 12, num - foreign), np.full(foreign, 12))
        return centres[of] + rng.normal(size=(num, 40)) * 0.3

    foreign = ask(draw(1000, 0), draw(1000, 25))
    assert foreign.p_value <= 0.05
    assert foreign.p_values["regions"] == 0.01
    assert foreign.p_values["mmd 1"] > 0.05


def test_equal_sets_do_not_differ() -> None:
    """Every vector is in both, so every relabelling is as good: p is 1, and nothing is divided by 0."""
    vectors = np.random.default_rng(0).normal(size=(50, 4))
    found = ask(vectors, vectors[::-1])
    assert (found.p_value, found.least_p_value) == (1.0, 1.0)
    assert set(found.region_p_values.tolist()) == {1.0}


def test_few_rows_say_how_small_a_p_value_they_could_give() -> None:
    """Three and three, far apart, reach their least: one in ten, since A and B turned around are as far apart.

    Sets of unequal size have no such twin, and a vector of both stays in both.
    """
    assert ask(np.eye(2), np.eye(2) + 9).least_p_value == pytest.approx(1 / 3)
    found = ask(np.eye(3), np.eye(3) + 50, count=999)
    assert found.least_p_value == pytest.approx(1 / 10)
    assert found.p_value == pytest.approx(0.1, abs=0.04)
    unequal = ask(np.eye(3)[:2], np.eye(3) + 50, count=999)
    assert unequal.least_p_value == pytest.approx(1 / 10)
    assert unequal.p_value == pytest.approx(0.1, abs=0.04)
    both = np.eye(4)[3:]
    shared = ask(np.concatenate([np.eye(4)[:3], both]), np.concatenate([np.eye(4)[:3] + 50, both]))
    assert shared.least_p_value == pytest.approx(1 / 70)  # 7 of which 3, 3 and 1: 140 ways, of which half are twins


def test_landmarks_follow_the_kernel_of_all_pairs() -> None:
    """With 150 of 700 vectors near ten directions, the p-value of the kernel with all of them to .03."""
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(700, 10)) @ rng.normal(size=(10, 64)) + 0.1 * rng.normal(size=(700, 64))).astype("f4")
    vectors[350:] += 0.04 * vectors[:1]
    in_a, in_b = patterns(350, 350, 0)

    def p_value(**chosen: int) -> dict[str, float]:
        landmarks = choose_landmarks(vectors, np.random.default_rng(1), **chosen)
        rng = np.random.default_rng(2)
        return difference_test(vectors.__getitem__, in_a, in_b, landmarks=landmarks, count=99, rng=rng).p_values

    some, every = p_value(count=150, all_up_to=150), p_value(count=700)
    assert some == pytest.approx(every, abs=0.031)
    assert 0.01 < every["mmd 1"] < 0.9
