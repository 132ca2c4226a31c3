"""How many labels are wrong by planted errors, and where that cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.datasets.mislabelled.share_wrong import share_wrong, stand_out


def _odds(count: int, *, wrong: float, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log odds of labels of which a share is wrong, and of planted errors."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=count) + apart * (rng.random(count) < wrong), rng.normal(size=count) + apart


@pytest.mark.parametrize("wrong", [0.01, 0.1, 0.3])
def test_share_is_about_that_which_is_wrong(wrong: float) -> None:
    """Where errors are far from right labels."""
    labels, planted = _odds(20_000, wrong=wrong, apart=6)
    assert share_wrong(labels, planted) == pytest.approx(wrong, rel=0.1)


def test_share_is_no_bound_where_real_errors_hide() -> None:
    """Errors half as far out as the planted ones are not all counted."""
    labels, _ = _odds(20_000, wrong=0.1, apart=1.5)
    _, planted = _odds(20_000, wrong=0.1, apart=6)
    assert share_wrong(labels, planted) < 0.05


@pytest.mark.parametrize(("wrong", "apart"), [(0.0, 3.0), (0.05, 3.0), (0.3, 3.0), (0.0, 1.5)])
def test_planted_errors_that_are_seen_stand_out(wrong: float, apart: float) -> None:
    """Of a thousand labels, a third of them wrong or none."""
    assert stand_out(*_odds(1000, wrong=wrong, apart=apart))


@pytest.mark.parametrize(("wrong", "apart"), [(0.0, 0.0), (0.0, 0.1), (0.6, 3.0), (1.0, 3.0)])
def test_planted_errors_like_the_labels_do_not_stand_out(wrong: float, apart: float) -> None:
    """Nothing tells them apart, or most labels are as wrong as they are."""
    assert not stand_out(*_odds(5000, wrong=wrong, apart=apart))


def test_odds_that_are_all_equal_tell_nothing() -> None:
    """No view has a weight; and no planted errors of a kind."""
    assert not stand_out(np.zeros(1000), np.zeros(1000))
    assert not stand_out(np.zeros(1000), np.zeros(0))


@pytest.mark.parametrize("count", [4, 10, 30, 100])
def test_chance_alone_hardly_ever_stands_out(count: int) -> None:
    """Of a hundred small sets without a meaning five at most pass."""
    assert sum(stand_out(*_odds(count, wrong=0, apart=0, seed=seed)) for seed in range(100)) <= 5
