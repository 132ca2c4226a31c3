"""The classifier of sets beside scikit-learn, and what it may not have seen."""

import numpy as np
import pytest

from analysis.datasets.comparison import domain_classifier
from analysis.datasets.comparison.domain_classifier import DomainClassifier, classify_domains
from analysis.datasets.comparison.landmarks import choose_landmarks
from analysis.neighbours.labels import label_codes


def learn(a: np.ndarray, b: np.ndarray, *, groups: np.ndarray | None = None, seed: int = 0) -> DomainClassifier | None:
    vectors = np.concatenate([a, b]).astype(np.float32)
    is_b = np.arange(len(vectors)) >= len(a)
    rng = np.random.default_rng(seed)
    return classify_domains(
        vectors.__getitem__,
        ~is_b,
        is_b,
        np.arange(len(vectors)) if groups is None else groups,
        landmarks=choose_landmarks(vectors, rng),
        alpha=0.05,
        rng=rng,
    )


def test_ridge_is_that_of_scikit_learn() -> None:
    """Weighted rows, an intercept, and every ridge from the strongest to the weakest."""
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    features, weights = rng.normal(size=(60, 4)) + 2, rng.random(60) / 60
    targets = np.sign(features[:, 0] - 2 + rng.normal(size=60))
    wide = np.concatenate([features, np.ones((60, 1))], axis=1)
    found = domain_classifier._solve(wide.T @ (wide * weights[:, None]), wide.T @ (weights * targets))
    centred = features - np.average(features, axis=0, weights=weights)
    unit = np.trace(centred.T @ (centred * weights[:, None])) / 4
    for column, ridge in enumerate(10.0 ** np.arange(2, -7, -1)):
        expected = Ridge(alpha=ridge * unit).fit(features, targets, sample_weight=weights)
        np.testing.assert_allclose(found[:-1, column], expected.coef_, rtol=1e-6, atol=1e-12)
        assert found[-1, column] == pytest.approx(expected.intercept_)


def test_auc_is_near_what_the_best_classifier_reaches() -> None:
    """Normal sets two deviations apart along one axis of eight: .921 at best; b is likelier of B, and told so."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 8)), rng.normal(size=(900, 8))
    b[:, 0] += 2
    found = learn(a, b)
    assert found is not None
    assert found.auc == pytest.approx(0.921, abs=0.02)
    assert found.auc_low < 0.921 < found.auc_high
    assert found.told_apart == pytest.approx(0.683, abs=0.06)  # 2 x the normal's share below one deviation, less 1
    assert found.told_apart_low < 0.683 < found.told_apart_high
    truth = 1 / (1 + np.exp(-(2 * np.concatenate([a, b])[:, 0] - 2)))  # both sets of equal weight
    assert np.abs(found.probability_b - truth).mean() < 0.1


def test_what_no_line_parts_is_found_too() -> None:
    """A shell around a ball: of one mean, so that a linear classifier sees nothing."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 3)), rng.normal(size=(300, 3))
    b *= 3 / np.linalg.norm(b, axis=1, keepdims=True)
    found = learn(a, b)
    assert found is not None
    assert found.auc > 0.9


def test_the_interval_holds_a_half_where_there_is_no_difference() -> None:
    """Of 60 pairs of one population at least 52: folds that judge each other's data are accounted for."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng([4, seed])
        found = learn(rng.normal(size=(40, 5)), rng.normal(size=(70, 5)), seed=seed)
        assert found is not None
        held += found.auc_low <= 0.5 <= found.auc_high
    assert held >= 52


def test_copies_do_not_vote_for_themselves() -> None:
    """Every vector three times in its set, of one population: with copies in other folds it would tell them apart."""
    rng = np.random.default_rng(0)
    a, b = (np.repeat(rng.normal(size=(40, 20)), 3, axis=0) for _ in range(2))
    groups = label_codes([row.tobytes() for row in np.concatenate([a, b])], 240)
    together, apart = learn(a, b, groups=groups), learn(a, b)
    assert together is not None
    assert apart is not None
    assert together.auc < 0.65 < 0.9 < apart.auc


def test_sets_apart_have_probabilities_that_are_no_certainty() -> None:
    """Nothing is infinite where nothing overlaps; fewer than ten of a set are not learned from."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(10, 3)), rng.normal(size=(12, 3)) + 40
    found = learn(a, b)
    assert found is not None
    assert found.auc == 1
    assert 0.5 < found.auc_low < 0.95
    assert ((found.probability_b > 0) & (found.probability_b < 1)).all()
    assert found.probability_b[:10].max() < 0.25 < 0.75 < found.probability_b[10:].min()
    assert learn(a[:9], b) is None
