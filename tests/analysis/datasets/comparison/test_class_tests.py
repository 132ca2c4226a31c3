"""Tests of classes: how many there is time for, with how many relabellings and rows, and their corrected p-values."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.datasets.comparison import class_tests
from analysis.datasets.comparison.class_shifts import ClassShift, class_shifts, read_labels
from analysis.datasets.comparison.class_tests import plan
from analysis.datasets.comparison.two_sets import join_sets
from rows.vectors.table import VectorTable


def shifts(
    num_classes: int, num_rows: int, *, moved: int = 0, alpha: float = 0.05, count: int = 99
) -> list[ClassShift]:
    """Of classes of so many rows in each set, the first `moved` of which are far away in B."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(num_classes), num_rows)
    a, b = rng.normal(size=(2, len(codes), 3)).astype(np.float32)
    b[codes < moved] += 9
    tables = [VectorTable.from_arrays(each, {"label": codes.tolist()}) for each in (a, b)]
    sets = join_sets(*tables, distance="euclidean")
    return class_shifts(sets, *read_labels(*tables, "label"), alpha=alpha, count=count, seed=0)


@pytest.mark.parametrize("num_classes", [20, 400, 10_000])
@pytest.mark.parametrize("num_rows", [5, 50, 3000])
@pytest.mark.parametrize("alpha", [0.05, 1e-3, 1e-9])
@pytest.mark.parametrize("count", [19, 999, 100_000])
def test_all_tests_together_stay_within_their_bound(num_classes: int, num_rows: int, alpha: float, count: int) -> None:
    """However many classes there are, whatever the level: the work, and the relabellings, which are held in memory."""
    sizes = dict.fromkeys(range(num_classes), (num_rows, num_rows))
    tested, relabellings, most = plan(sizes, alpha=alpha, count=count)
    assert count <= relabellings <= max(count, class_tests._MOST_RELABELLINGS)
    work = len(tested) * relabellings * class_tests._steps(np.array(2.0 * min(num_rows, most)))
    assert work <= class_tests._STEPS or (len(tested), most) == (1, class_tests._MOST_ROWS[-1])
    if len(tested) > 1:  # Holm's rule leaves room for the level
        assert len(tested) / (1 + relabellings) <= alpha / 2


def test_few_classes_are_all_tested_with_all_their_rows() -> None:
    """Ten of a thousand rows take what was asked for."""
    sizes = dict.fromkeys(range(10), (1000, 1000))
    assert plan(sizes, alpha=0.05, count=999) == (list(range(10)), 999, 1000)
    assert plan({}, alpha=0.05, count=999)[0] == []


def test_of_too_many_classes_the_largest_are_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the smaller of their two sets, which says how little a relabelling can tell."""
    monkeypatch.setattr(class_tests, "_STEPS", 3 * 999 * class_tests._steps(np.array(80.0)))
    sizes = {0: (20, 500), 1: (40, 40), 2: (30, 30), 3: (41, 39), 4: (7, 7)}
    assert plan(sizes, alpha=0.05, count=999)[:2] == ([1, 3, 2], 999)


def test_classes_without_a_test_have_their_shift_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No p-value and no least one; the tested ones are corrected for as many as were tested and not for all."""
    monkeypatch.setattr(class_tests, "_STEPS", 2 * 99 * class_tests._steps(np.array(40.0)))
    found = shifts(6, 20, moved=6)
    tested = [each for each in found if each.p_value is not None]
    assert len(tested) == 2
    assert {each.p_value for each in tested} == {0.02}
    assert {each.least_p_value for each in tested} == {0.02}
    rest = [each for each in found if each.p_value is None]
    assert [each.least_p_value for each in rest] == [None] * 4
    assert all(each.shift is not None and each.shift > 2 for each in found)


def test_the_least_p_value_says_where_no_difference_could_be_found() -> None:
    """Of five rows a set there are 126 ways to deal them, times ten classes; of twenty enough."""
    small = shifts(10, 5, moved=10, count=999)
    assert all(0.05 < each.least_p_value <= 10 / 126 for each in small if each.least_p_value is not None)
    assert min(each.p_value for each in small if each.p_value is not None) > 0.05
    large = shifts(10, 20, moved=10, count=999)
    assert {each.p_value for each in large} == {each.least_p_value for each in large} == {0.01}


@pytest.mark.parametrize("alpha", [1e-3, 1e-17, 1e-300])
def test_any_level_has_intervals(alpha: float) -> None:
    """Those of one class among many may leave the truth out less often than 1 - alpha can say."""
    found = shifts(3, 20, alpha=alpha)
    assert all(-1 <= each.low <= each.difference <= each.high <= 1 for each in found)
