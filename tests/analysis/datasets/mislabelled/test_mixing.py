"""What planted errors teach: the mix beside scikit-learn, the confidence beside the truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from analysis.datasets.mislabelled.mixing import Judgement, learn_mix
from analysis.datasets.mislabelled.planting import ALIKE, ANY, LEFT, plant


def _judgement(rng: np.random.Generator, *, errors: float, num: int = 20_000) -> tuple[Judgement, np.ndarray]:
    """Cases with two views that see errors, one that sees nothing and one that sees them the wrong way round."""
    kinds = np.where(rng.random(num) < 0.05, np.where(rng.random(num) < 0.5, ANY, ALIKE), LEFT)
    is_error = (kinds != LEFT) | (rng.random(num) < errors)
    views = rng.normal(size=(num, 4)) + is_error[:, None] * np.array([2.0, 1.0, 0.0, -1.0])
    right = rng.random(((kinds != LEFT).sum(), 2)) < np.array([0.9, 0.5])
    return Judgement(views=views, kinds=kinds, right=right), is_error & (kinds == LEFT)


def test_weights_are_those_of_a_logistic_regression_without_negative_ones() -> None:
    """scikit-learn, on the views that helped, with the same penalty; a view the wrong way round has none."""
    judged, _ = _judgement(np.random.default_rng(0), errors=0.0)
    mix = learn_mix([judged])
    assert mix.weights[3] == 0
    kept = np.flatnonzero(mix.weights)
    planted = judged.kinds != LEFT
    scaled = (judged.views - judged.views.mean(axis=0)) / judged.views.std(axis=0)
    other = LogisticRegression(C=1 / (0.1 * planted.sum()), tol=1e-10).fit(scaled[:, kept], planted)
    np.testing.assert_allclose(mix.weights[kept], other.coef_[0], atol=1e-3)
    np.testing.assert_allclose(mix.log_odds(judged.views), other.decision_function(scaled[:, kept]), atol=1e-2)
    assert mix.num_planted == planted.sum()
    assert mix.right == pytest.approx([0.9, 0.5], abs=0.05)


@pytest.mark.parametrize("errors", [0.02, 0.1])
def test_confidence_is_about_the_share_that_is_wrong(errors: float) -> None:
    """Unseen cases by confidence: of each band about that share is wrong; and how many there are is about right."""
    judged, _ = _judgement(np.random.default_rng(0), errors=errors)
    fresh, wrong = _judgement(np.random.default_rng(1), errors=errors, num=100_000)
    unplanted = fresh.kinds == LEFT
    mix = learn_mix([judged])
    log_odds, wrong = mix.log_odds(fresh.views[unplanted]), wrong[unplanted]
    told = mix.share_and_curve(log_odds)
    assert told is not None
    share, curve = told
    assert 0.9 * wrong.mean() <= share <= 2 * wrong.mean()
    confidence = curve.confidence(log_odds)
    for low, high in ((0.1, 0.3), (0.3, 0.6), (0.6, 1.01)):
        band = (confidence >= low) & (confidence < high)
        assert wrong[band].mean() == pytest.approx(confidence[band].mean(), abs=0.2)


def test_views_that_see_nothing_tell_nothing() -> None:
    """No weight above 0, or a little by chance: neither a share nor a confidence."""
    judged, _ = _judgement(np.random.default_rng(0), errors=0.0)
    for seen in (np.zeros_like(judged.views), np.random.default_rng(1).normal(size=judged.views.shape)):
        mix = learn_mix([Judgement(views=seen, kinds=judged.kinds, right=judged.right)])
        assert mix.share_and_curve(mix.log_odds(seen)) is None


def test_errors_of_the_kind_that_is_not_seen_are_not_counted() -> None:
    """Planted errors of classes alike look like right labels: the others alone tell how many there are."""
    judged, _ = _judgement(np.random.default_rng(0), errors=0.0)
    views = judged.views + np.where(judged.kinds == ALIKE, -1, 0)[:, None] * np.array([2.0, 1.0, 0.0, -1.0])
    views[judged.kinds == ANY] += np.array([4.0, 0.0, 0.0, 0.0])
    mix = learn_mix([Judgement(views=views, kinds=judged.kinds, right=judged.right)])
    log_odds = mix.log_odds(views[judged.kinds == LEFT])
    told = mix.share_and_curve(log_odds)
    assert told is not None
    share, curve = told
    assert share < 0.01
    assert (curve.confidence(log_odds) >= 0.5).mean() < 0.01
    assert mix.recall(curve) == pytest.approx(0.5, abs=0.1)


def test_planted_labels_are_wrong_and_of_both_kinds() -> None:
    """Every planted class is another one that there is; those alike are what a comrade of the class is taken for."""
    rng = np.random.default_rng(0)
    given = rng.choice([0, 2, 5], 4000)
    taken_for = np.select([given == 0, given == 2], [2, 5], 0)
    candidates = np.flatnonzero(np.arange(4000) % 4 > 0)
    errors = plant(candidates, given, taken_for, np.array([0, 2, 5]), rng)
    assert len(errors.cases) == 150
    assert np.isin(errors.cases, candidates).all()
    assert (errors.classes != given[errors.cases]).all()
    assert set(errors.classes.tolist()) == {0, 2, 5}
    alike = errors.is_alike
    assert (errors.classes[alike] == taken_for[errors.cases[alike]]).all()
    assert (errors.classes[~alike] != taken_for[errors.cases[~alike]]).any()
    assert 50 < alike.sum() < 100
