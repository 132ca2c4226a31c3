"""The views by classes, beside classifiers and centres that are made anew without each vector."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from analysis.datasets.mislabelled.class_sums import Classes, Frame, is_judged
from analysis.datasets.mislabelled.class_views import SHRINKAGES, ClassViews, choose_shrinkage, class_views

CLASSES = 4


def _set(num: int = 40, dim: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Vectors far from the origin, and what each votes for: some for nothing."""
    rng = np.random.default_rng(0)
    voted = np.arange(num) % CLASSES
    vectors = (3 + rng.normal(size=(CLASSES, dim))[voted] + rng.normal(size=(num, dim))).astype(np.float32)
    voted[[5, 17]] = -1
    return vectors, voted


def _views(
    vectors: np.ndarray, voted: np.ndarray, given: np.ndarray, shrinkage: float = 0.1
) -> tuple[Frame, ClassViews]:
    frame = Frame.of(vectors)
    classes = Classes.of(vectors, voted, frame, CLASSES)
    return frame, class_views(frame, classes, shrinkage, vectors, voted, np.arange(len(given)), given)


def test_ridge_is_that_of_all_other_vectors() -> None:
    """For each vector: fitted by scikit-learn without it, the best other class less the given one."""
    vectors, voted = _set()
    given = np.where(voted >= 0, voted, 2)
    frame, found = _views(vectors, voted, given)
    targets = np.eye(CLASSES + 1)[voted][:, :CLASSES]  # -1 is the last column
    wide = vectors.astype(np.float64) - frame.mean
    penalty = 0.1 * frame.variances.mean()
    for row in range(len(vectors)):
        others = np.arange(len(vectors)) != row
        # the mean of all is the mean of the others too where the row's own target is what the classifier says of it
        predicted = _predicted_without(wide, targets, penalty, row)
        direct = Ridge(alpha=penalty).fit(wide[others], targets[others]).predict(wide[[row]])[0]
        np.testing.assert_allclose(predicted, direct, atol=0.02)  # the intercept is fitted on one row less
        best = np.delete(predicted, given[row]).max()
        assert found.ridge[row] == pytest.approx(best - predicted[given[row]], abs=1e-5)
        assert predicted[found.by_ridge[row]] == pytest.approx(best, abs=1e-5)


def _predicted_without(wide: np.ndarray, targets: np.ndarray, penalty: float, row: int) -> np.ndarray:
    """What the ridge of all other rows says of a row; its intercept is a column of ones without a penalty."""
    inputs = np.column_stack([wide, np.ones(len(wide))])
    kept = np.delete(inputs, row, axis=0)
    matrix = kept.T @ kept + np.diag([penalty] * wide.shape[1] + [0.0])
    weights: np.ndarray = np.linalg.solve(matrix, kept.T @ np.delete(targets, row, axis=0))
    return inputs[row] @ weights


def test_centres_are_those_of_all_other_vectors() -> None:
    """For each vector: the mean of its class without it, by a plain loop."""
    vectors, voted = _set()
    given = np.where(voted >= 0, voted, 2)
    given[3] = (given[3] + 1) % CLASSES  # a copy with another label: its own vote counts neither for nor against
    frame, found = _views(vectors, voted, given)
    for row in range(len(vectors)):
        others = np.arange(len(vectors)) != row
        apart = np.array(
            [
                np.linalg.norm(vectors[row] - vectors[others & (voted == code)].mean(axis=0, dtype=np.float64))
                for code in range(CLASSES)
            ]
        )
        best = np.delete(apart, given[row]).min()
        assert found.centres[row] * frame.scale == pytest.approx(apart[given[row]] - best, abs=1e-4)
        assert apart[found.by_centres[row]] == pytest.approx(best, abs=1e-4)


def test_classes_of_nothing_are_never_proposed() -> None:
    """A class without votes is no other class to be in, for either view."""
    vectors, voted = _set()
    voted[voted == 3] = 0
    given = np.maximum(voted, 0)
    _, found = _views(vectors, voted, given)
    assert set(found.by_ridge.tolist()) == set(found.by_centres.tolist()) == {0, 1, 2}
    assert np.isfinite(found.ridge).all()
    assert np.abs(found.centres).max() < 10


def test_moved_vectors_change_sums_as_counting_anew_does() -> None:
    """Sums and sizes after some changed their class."""
    vectors, voted = _set()
    frame = Frame.of(vectors)
    rows, to = np.array([0, 1, 2]), np.array([1, 1, 3])
    moved = Classes.of(vectors, voted, frame, CLASSES).with_moved(vectors[rows], voted[rows], to, frame)
    voted[rows] = to
    anew = Classes.of(vectors, voted, frame, CLASSES)
    np.testing.assert_allclose(moved.sums, anew.sums, atol=1e-9)
    assert moved.sizes.tolist() == anew.sizes.tolist()


def test_shrinkage_has_the_least_leave_one_out_error() -> None:
    """Of noise with many dims a strong one, of clear classes in few a weak one."""
    rng = np.random.default_rng(0)
    chosen = []
    for dim, apart in ((30, 0.1), (2, 30.0)):
        voted = np.arange(60) % CLASSES
        vectors = (apart * rng.normal(size=(CLASSES, dim))[voted] + rng.normal(size=(60, dim))).astype(np.float32)
        frame = Frame.of(vectors)
        chosen.append(choose_shrinkage(frame, Classes.of(vectors, voted, frame, CLASSES), vectors, voted, rng))
    assert chosen[0] == SHRINKAGES[-1]
    assert chosen[1] < 0.1


def test_a_class_needs_a_vector_besides_the_case_itself() -> None:
    """Alone in its class: not judged; a copy that votes for another class: one other is enough."""
    sizes = np.array([1, 2, 1])
    assert is_judged(sizes, np.array([0, 1, 1]), np.array([0, 1, 2])).tolist() == [False, True, True]
