"""Area under the curve beside scikit-learn, and its interval by coverage and by its definition."""

import numpy as np
import pytest

from analysis.measures.auc import area_under_curve, auc_interval
from artifact.errors import UsageError


def test_area_is_that_of_scikit_learn_with_ties() -> None:
    """Numbers of a few values, so that half of the pairs are equal."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    low, high = rng.integers(0, 6, 50).astype(float), rng.integers(2, 7, 31).astype(float)
    truth = np.repeat([0, 1], [50, 31])
    assert area_under_curve(low, high) == pytest.approx(roc_auc_score(truth, np.concatenate([low, high])))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_interval_holds_the_truth_in_its_share_of_samples(shift: float) -> None:
    """Normal numbers that are `shift` apart: the area is known, and 92 to 98 of 100 intervals hold it."""
    from statistics import NormalDist

    truth = NormalDist().cdf(shift / np.sqrt(2))
    held = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        area = area_under_curve(rng.standard_normal(40), rng.standard_normal(25) + shift)
        low, high = auc_interval(area, 40, 25)
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.985


def test_interval_has_a_width_where_no_pair_is_wrong() -> None:
    """Ten and ten that do not overlap do not prove that none ever will; a wider confidence is wider."""
    low, high = auc_interval(1.0, 10, 10)
    assert 0.6 < low < 0.95
    assert high == pytest.approx(1.0)
    assert auc_interval(0.0, 10, 10) == (pytest.approx(0.0), pytest.approx(1 - low))
    assert auc_interval(0.7, 10, 10, alpha=0.01)[0] < auc_interval(0.7, 10, 10)[0]


def test_no_area_is_refused() -> None:
    """One line each."""
    with pytest.raises(UsageError, match=r"area: expected one in \[0, 1\] of two samples, got 1.2 of 3 and 4"):
        auc_interval(1.2, 3, 4)
