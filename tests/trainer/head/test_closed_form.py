"""Tests of closed-form heads: against scikit-learn and SciPy, and for what nothing can be fitted to."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from artifact.arrays import AnyArray, Indices, Vectors
from artifact.errors import DataError, LookalikeError, UsageError
from trainer.head.closed_form import ClosedHead, fit_head


def drawn(num_classes: int = 12, per_class: int = 15, features: int = 20, seed: int = 0) -> tuple[Vectors, Indices]:
    """Classes of unequal size around centres, in features that hang together, far from 0."""
    random = np.random.default_rng(seed)
    sizes = random.integers(per_class // 2, per_class + 1, num_classes)
    labels = np.repeat(np.arange(num_classes), sizes)
    mixing = random.normal(size=(features, features)) * np.geomspace(0.1, 4, features)
    centres = 2 * random.normal(size=(num_classes, features))
    values = (centres[labels] + random.normal(size=(len(labels), features))) @ mixing + 7
    order = random.permutation(len(labels))
    return values[order].astype(np.float32), labels[order].astype(np.int64)


def vectors_of(head: ClosedHead, features: Vectors) -> AnyArray:
    """float64 [N, dim]."""
    return features.astype(np.float64) @ head.weight.T.astype(np.float64) + head.bias.astype(np.float64)


def test_lda_equals_scikit_learn_for_a_small_lambda() -> None:
    """The same vectors as its eigenvalue solver, but for sign; its shrinkage also changes that of the means."""
    features, labels = drawn()
    head = fit_head(features, labels, dim=11, method="lda", shrinkage=1e-9)
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(features.astype(np.float64), labels)
    expected = theirs.transform(features.astype(np.float64))
    expected = expected - expected.mean(axis=0)
    ours = vectors_of(head, features)
    expected *= np.sign((ours * expected).sum(axis=0))
    assert np.abs(ours - expected).max() < 1e-4 * np.abs(expected).max()
    assert head.facts["directions"] == 11


@pytest.mark.parametrize("shrinkage", [0.3, 2.0, 10.0])
def test_lda_solves_the_generalised_eigenproblem_in_order_of_importance(shrinkage: float) -> None:
    """Against scipy.linalg.eigh on plain scatters; ratios fall and regularised variances within classes are 1."""
    features, labels = drawn(num_classes=9)
    values = features.astype(np.float64)
    within, total = np.zeros((20, 20)), np.cov(values.T, bias=True)
    for label in np.unique(labels):
        of_class = values[labels == label]
        within += (of_class - of_class.mean(axis=0)).T @ (of_class - of_class.mean(axis=0)) / len(values)
    regularised = within + shrinkage * np.trace(within) / 20 * np.eye(20)
    expected = scipy.linalg.eigh(total - within, regularised, eigvals_only=True)[::-1][:8]
    weight = fit_head(features, labels, dim=8, method="lda", shrinkage=shrinkage).weight.astype(np.float64)
    assert weight @ (total - within) @ weight.T == pytest.approx(np.diag(expected), abs=1e-4 * expected[0])
    assert weight @ regularised @ weight.T == pytest.approx(np.eye(8), abs=1e-5)


def test_lda_is_padded_by_pca_of_what_is_left_of_the_whitened_features() -> None:
    """With four classes three directions part them; the rest hold no class means, and fall in whitened variance."""
    features, labels = drawn(num_classes=4, per_class=40)
    values = features.astype(np.float64)
    means = np.stack([values[labels == label].mean(axis=0) for label in range(4)]) - values.mean(axis=0)
    centred = values - values.mean(axis=0) - means[labels]
    within = centred.T @ centred / len(values)
    regularised = within + np.trace(within) / 20 * np.eye(20)
    head = fit_head(features, labels, dim=10, method="lda", shrinkage=1)
    weight = head.weight.astype(np.float64)
    assert head.facts["directions"] == 10
    assert np.abs(means @ weight[3:].T).max() < 1e-4 * np.abs(means @ weight[:3].T).max()
    assert weight @ regularised @ weight.T == pytest.approx(np.eye(10), abs=1e-5)
    # plain reference: whiten by the symmetric root, project the means out, and take the PCA
    root = np.real(scipy.linalg.sqrtm(np.linalg.inv(regularised)))
    outside = scipy.linalg.null_space(means @ root)
    variances, directions = np.linalg.eigh(outside.T @ root @ within @ root @ outside)
    expected = (root @ outside @ directions[:, ::-1][:, :7]).T
    expected *= np.sign((expected * weight[3:]).sum(axis=1))[:, None]
    assert weight[3:] == pytest.approx(expected, abs=1e-4)
    assert (np.diff(np.diag(weight[3:] @ within @ weight[3:].T)) < 1e-6).all()
    assert np.diag(weight[3:] @ within @ weight[3:].T) == pytest.approx(variances[::-1][:7], abs=1e-5)


def test_pca_equals_scikit_learn_for_a_small_lambda() -> None:
    """Whitened vectors as of sklearn.decomposition.PCA, but for sign; labels are not looked at."""
    features, labels = drawn()
    ours = vectors_of(fit_head(features, None, dim=6, method="pca", shrinkage=1e-9), features)
    expected = PCA(6, whiten=True, svd_solver="full").fit_transform(features.astype(np.float64))
    expected *= np.sqrt(len(features) / (len(features) - 1)) * np.sign((ours * expected).sum(axis=0))
    assert ours == pytest.approx(expected, abs=1e-3)
    assert np.array_equal(
        fit_head(features, labels, dim=6, method="pca").weight, fit_head(features, None, dim=6, method="pca").weight
    )


def test_pca_divides_by_the_root_of_the_regularised_variance() -> None:
    """Each direction's variance is v / (v + lambda times the mean), so the smallest ones are not blown up."""
    features, _ = drawn()
    variances = np.linalg.eigvalsh(np.cov(features.astype(np.float64).T, bias=True))[::-1]
    ours = vectors_of(fit_head(features, None, dim=20, method="pca", shrinkage=0.5), features)
    expected = variances / (variances + 0.5 * variances.mean())
    assert np.cov(ours.T, bias=True) == pytest.approx(np.diag(expected), abs=1e-4)


def test_vectors_are_centred_and_their_signs_fixed() -> None:
    """The mean of all vectors is 0, and turning all features round turns no direction's sign convention."""
    features, labels = drawn()
    for method in ("lda", "pca"):
        head = fit_head(features, labels, dim=8, method=method)
        assert vectors_of(head, features).mean(axis=0) == pytest.approx(np.zeros(8), abs=1e-4)
        assert (head.weight.max(axis=1) >= -head.weight.min(axis=1)).all()
        assert np.array_equal(fit_head(-features, labels, dim=8, method=method).weight, head.weight)


def test_a_shorter_head_is_the_beginning_of_a_longer_one() -> None:
    """Neurons stand in order of importance whatever their number."""
    features, labels = drawn()
    for method in ("lda", "pca"):
        long = fit_head(features, labels, dim=16, method=method)
        assert fit_head(features, labels, dim=5, method=method).weight == pytest.approx(long.weight[:5], abs=1e-5)


def test_equal_features_give_equal_bytes_and_any_labels_name_classes() -> None:
    """Nothing is drawn anew, not even for the reduction; names of classes may be any numbers, in any order."""
    features, labels = drawn(features=60)
    first, again = (fit_head(features, labels, dim=8, method="lda", max_features=30) for _ in range(2))
    assert first.weight.tobytes() == again.weight.tobytes()
    assert first.bias.tobytes() == again.bias.tobytes()
    other = fit_head(features, 1000 - 3 * labels, dim=8, method="lda", max_features=30)
    assert other.weight == pytest.approx(first.weight, rel=1e-4, abs=1e-6)


def test_many_features_are_reduced_to_those_that_differ() -> None:
    """Two thousand features of which all variance lies in thirty directions: the reduction changes nothing."""
    features, labels = drawn(num_classes=30, features=30)
    random = np.random.default_rng(1)
    spread = np.linalg.qr(random.normal(size=(2000, 30)))[0].T
    wide = (features.astype(np.float64) @ spread).astype(np.float32)
    head = fit_head(wide, labels, dim=16, method="lda", max_features=40)
    assert head.facts["reduced_to"] == 40
    # the mean eigenvalue is that of all two thousand
    few = fit_head(features, labels, dim=16, method="lda", shrinkage=2 * 30 / 2000)
    ours, expected = vectors_of(head, wide), vectors_of(few, features)
    expected *= np.sign((ours * expected).sum(axis=0))
    assert np.abs(ours - expected).max() < 1e-3 * np.abs(expected).max()


def test_fewer_images_than_dims_leave_the_last_neurons_at_0() -> None:
    """Ten images have nine directions; a head of 16 neurons uses these and says so."""
    random = np.random.default_rng(0)
    features = random.normal(size=(10, 40)).astype(np.float32)
    labels = np.arange(10, dtype=np.int64) // 2
    pca = fit_head(features, None, dim=16, method="pca")
    assert pca.facts["directions"] == 9
    assert not pca.weight[9:].any()
    assert not pca.bias[9:].any()
    lda = fit_head(features, labels, dim=16, method="lda")
    assert lda.weight.shape == (16, 40)
    assert np.isfinite(lda.weight).all()
    assert 4 <= lda.facts["directions"] <= 10


def test_more_dims_than_features_are_filled_with_0() -> None:
    """Three features cannot fill five neurons."""
    features, labels = drawn(features=3)
    for method in ("lda", "pca"):
        head = fit_head(features, labels, dim=5, method=method)
        assert head.weight.shape == (5, 3)
        assert head.facts["directions"] == 3
        assert not head.weight[3:].any()


def test_features_that_stand_still_do_no_harm() -> None:
    """A dead feature has weight 0 in every direction, and none becomes NaN."""
    features, labels = drawn()
    dead = np.concatenate([features, np.full((len(features), 2), 3, np.float32)], axis=1)
    for method in ("lda", "pca"):
        head = fit_head(dead, labels, dim=8, method=method)
        assert np.isfinite(head.weight).all()
        assert np.abs(head.weight[:, 20:]).max() < 1e-6


@pytest.mark.parametrize("size", [1e-15, 1e15])
def test_features_of_any_size_give_the_same_vectors(size: float) -> None:
    """Squares of them stay within their numbers, reduced or not."""
    features, labels = drawn(features=40)
    for method in ("lda", "pca"):
        for most in (20, 40):
            usual = fit_head(features, labels, dim=8, method=method, max_features=most)
            other = fit_head(features * np.float32(size), labels, dim=8, method=method, max_features=most)
            assert vectors_of(other, features * np.float32(size)) == pytest.approx(
                vectors_of(usual, features), abs=2e-3
            )


def refused(features: Vectors, labels: Indices | None, method: str = "lda") -> str:
    """The line of the refusal."""
    with pytest.raises(LookalikeError) as error:
        fit_head(features, labels, dim=4, method=method)
    assert isinstance(error.value, DataError | UsageError)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_nothing_can_be_fitted_to_is_refused_in_one_line() -> None:
    """Each with what was expected and what was got."""
    features, labels = drawn()
    constant = np.full((20, 5), 0.1, np.float32)
    of_two = np.arange(20, dtype=np.int64) // 2
    for method in ("lda", "pca"):
        assert "expected some that differ" in refused(constant, of_two, method)
        bad = features.copy()
        bad[3, 1] = np.nan
        assert "finite numbers, got NaN or infinity in 1 of" in refused(bad, labels, method)
        assert "first 3" in refused(bad, labels, method)
        assert "two images or more" in refused(features[:1], labels[:1], method)
    assert "one with two different images, got none" in refused(features[:9], np.arange(9, dtype=np.int64))
    assert "at least 2, got 1" in refused(features, np.zeros(len(features), np.int64))
    assert "expected classes for lda, none for pca, got one without classes" in refused(features, None)
    assert "one for each of" in refused(features, labels[:-1])
    assert "one of lda, pca" in refused(features, labels, "ica")
    with pytest.raises(UsageError, match="lambda of a closed-form head: expected above 0, got 0"):
        fit_head(features, labels, dim=4, method="lda", shrinkage=0)
    with pytest.raises(UsageError, match="at least 1, got 0"):
        fit_head(features, labels, dim=0, method="lda")
