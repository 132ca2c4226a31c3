"""The curve of confidences: the likeliest there is, whatever the odds are and however many labels are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from analysis.datasets.mislabelled.confidence import Curve, sigmoid

SHARES = [0.01, 0.05, 0.2, 0.5, 0.9]


def _odds(share_wrong: float, *, scale: float, moved: float, others: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log odds of planted errors and of others, and which of these are wrong."""
    rng = np.random.default_rng(0)
    is_wrong = rng.random(others) < share_wrong
    planted = rng.normal(size=others // 19) + 4
    return scale * planted + moved, scale * (rng.normal(size=others) + 4 * is_wrong) + moved, is_wrong


@pytest.mark.parametrize("share_wrong", SHARES)
@pytest.mark.parametrize(("scale", "moved"), [(1.0, -5.0), (0.1, -3.0), (0.001, 40.0), (30.0, 0.0)])
def test_curve_is_the_likeliest_one(share_wrong: float, scale: float, moved: float) -> None:
    """As likely as what scipy finds from three starts, at odds of any scale and place."""
    planted, others, _ = _odds(share_wrong, scale=scale, moved=moved, others=1900)
    most = len(planted) / (len(planted) + share_wrong * len(others))
    odds = (np.concatenate([planted, others]) - moved) / scale

    def unlikelihood(weights: np.ndarray) -> float:
        chance = np.clip(most * sigmoid(weights[0] * odds + weights[1]), 1e-12, 1 - 1e-9)
        return -float(np.log(chance[: len(planted)]).sum() + np.log1p(-chance[len(planted) :]).sum())

    starts = ([1.0, 0.0], [2.0, -4.0], [1.0, 3.0])
    best = min(minimize(unlikelihood, start, method="Nelder-Mead").fun for start in starts)
    curve = Curve.fitted(planted, others, share_wrong)
    ours = np.array([curve.slope * scale, curve.offset - np.log(1 - most) + curve.slope * moved])
    assert unlikelihood(ours) <= best + 0.01


@pytest.mark.parametrize("share_wrong", SHARES)
def test_confidences_add_up_to_the_labels_that_are_wrong(share_wrong: float) -> None:
    """And those above one half are wrong nine times in ten, a few of a hundred labels or most of them."""
    planted, others, is_wrong = _odds(share_wrong, scale=1.0, moved=-5.0, others=19_000)
    confidence = Curve.fitted(planted, others, share_wrong).confidence(others)
    assert confidence.sum() == pytest.approx(is_wrong.sum(), rel=0.1, abs=5)
    assert is_wrong[confidence >= 0.5].mean() > 0.9
    assert (confidence[is_wrong] >= 0.5).mean() > 0.7
