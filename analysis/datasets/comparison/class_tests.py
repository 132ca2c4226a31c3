"""Tests of the classes of two sets: which of them look different, by a p-value corrected for how many were tested.

Decisions a reader would question:
- A p-value of R relabellings is at least 1 / (1 + R), and Holm's rule multiplies it by the number of classes. So each
  class gets relabellings in proportion to the classes and the work grows with their square. It has a bound: of more
  classes those with most rows are tested and the others are not, which is chosen without looking at the vectors, so
  that the p-values stay valid. Fewer relabellings of all of them would be as much work for p-values that no difference
  could bring to the level.
- What is left of the bound goes into rows: up to 1,000 of a class in each set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.datasets.comparison.difference_test import SCALES, difference_test
from analysis.datasets.comparison.landmarks import choose_landmarks
from analysis.datasets.comparison.two_sets import TwoSets
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Indices, Numbers

_LANDMARKS = 256
_MOST_ROWS = (1000, 500, 250, 100, 50)
"""Of a class in each set: the first for which there is time."""

_STEPS = 10**8
"""Of all tests together: some five seconds of one core."""

_MOST_RELABELLINGS = 20_000
"""Unless more are asked for: they are held in memory, 3 x 256 numbers of each."""


@dataclass(frozen=True, kw_only=True)
class ClassTest:
    """Of one class: `p_value` and the least that it could have been, both corrected; None where it was not tested."""

    p_value: float | None = None
    least_p_value: float | None = None


def run_class_tests(
    sets: TwoSets, rows_of: Mapping[int, tuple[Indices, Indices]], *, alpha: float, count: int, seed: int
) -> dict[int, ClassTest]:
    """Tests of the classes, or of as many as there is time for, those with most rows.

    Args:
        rows_of: {class: its rows in A, its rows in B}.
        alpha: the level that their p-values should be able to reach, in (0, 1).
        count: relabellings of each test, at least.
    """
    sizes = {code: (len(of_a), len(of_b)) for code, (of_a, of_b) in rows_of.items()}
    tested, count, most = plan(sizes, alpha=alpha, count=count)
    tests = {}
    for code in tested:
        rng = np.random.default_rng([seed, code])
        of_a, of_b = rows_of[code]
        tests[code] = _test(sets, np.sort(of_a), np.sort(of_b), most, count, rng)
    return _holm(tests)


def plan(sizes: Mapping[int, tuple[int, int]], *, alpha: float, count: int) -> tuple[list[int], int, int]:
    """What there is time for.

    Args:
        sizes: {class: its rows in A and in B}.
        alpha: the least corrected p-value is at most half of it, where _MOST_RELABELLINGS allow that.
        count: relabellings, at least.

    Returns:
        (classes to test, relabellings of each, rows of each in each set at most).
    """
    if not sizes:
        return [], count, _MOST_ROWS[0]
    order = sorted(sizes, key=lambda code: (-min(sizes[code]), -max(sizes[code]), code))
    ordered = np.array([sizes[code] for code in order])  # [C, 2]
    counts = np.maximum(count, np.ceil(2 * np.arange(1, len(order) + 1) / alpha))  # [C], with so many classes

    def steps(most: int) -> Numbers:
        """float64 [C], of the first, the first two, ... classes."""
        return np.cumsum(_steps(np.minimum(ordered, most).sum(axis=1))) * counts

    affordable = (steps(_MOST_ROWS[-1]) <= _STEPS) & (counts <= max(count, _MOST_RELABELLINGS))
    num_tested = max(1, int(affordable.sum()))
    count = int(min(counts[num_tested - 1], max(count, _MOST_RELABELLINGS)))
    enough = (most for most in _MOST_ROWS if steps(most)[num_tested - 1] <= _STEPS)
    return order[:num_tested], count, next(enough, _MOST_ROWS[-1])


def _steps(num_units: Numbers) -> Numbers:
    """Work of one relabelling of so many vectors; a step is some 50 ns. Measured from 10 to 2,000 of them."""
    landmarks = np.minimum(num_units, _LANDMARKS)
    return 20 + num_units + len(SCALES) * landmarks * (num_units + landmarks) / 2000


def _test(
    sets: TwoSets, rows_a: Indices, rows_b: Indices, most: int, count: int, rng: np.random.Generator
) -> ClassTest:
    """The difference within a class, on `most` rows of each set at most; not corrected."""
    rows_a, rows_b = (rows[sample_rows(len(rows), most, rng)] for rows in (rows_a, rows_b))
    units = np.unique(sets.units[np.concatenate([rows_a, rows_b])])
    if len(units) < 2:
        return ClassTest(p_value=1.0, least_p_value=1.0)
    vectors = sets.unit_vectors(units)
    in_a, in_b = (np.isin(units, sets.units[rows]) for rows in (rows_a, rows_b))
    landmarks = choose_landmarks(vectors, rng, count=_LANDMARKS, all_up_to=_LANDMARKS)
    found = difference_test(vectors.__getitem__, in_a, in_b, landmarks=landmarks, count=count, rng=rng)
    return ClassTest(p_value=found.p_value, least_p_value=found.least_p_value)


def _holm(tests: Mapping[int, ClassTest]) -> dict[int, ClassTest]:
    """S. Holm, "A simple sequentially rejective multiple test procedure" (1979)."""
    corrected, largest = {}, 0.0
    for place, code in enumerate(sorted(tests, key=lambda code: (tests[code].p_value or 0.0, code))):
        test = tests[code]
        largest = max(largest, min(1.0, (test.p_value or 0.0) * (len(tests) - place)))
        least = min(1.0, (test.least_p_value or 0.0) * len(tests))
        corrected[code] = replace(test, p_value=largest, least_p_value=min(largest, least))
    return corrected
