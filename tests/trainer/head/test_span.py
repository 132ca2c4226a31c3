"""Fewer images than features: the head is that of all features, and found among as many directions as images."""

import numpy as np
import pytest

from trainer.head.scatter import find_scatter
from trainer.head.subspace import find_span


@pytest.mark.parametrize("has_classes", [True, False])
def test_span_of_few_images_changes_no_covariance(has_classes: bool) -> None:
    """Eigenvalues, their mean and the class means are those of the whole covariance."""
    random = np.random.default_rng(0)
    features = (random.standard_normal((40, 90)) * random.uniform(0.1, 3, 90) + 5).astype(np.float32)
    labels = random.integers(0, 6, 40) if has_classes else None
    scatter = find_scatter(features, labels, dim=8)
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    within = centred.copy()
    for label in np.unique(labels) if labels is not None else ():
        within[labels == label] -= within[labels == label].mean(axis=0)
    covariance = within.T @ within / len(features)
    values = np.linalg.eigvalsh(covariance)
    assert len(scatter.variances) == 40
    np.testing.assert_allclose(np.sort(scatter.variances)[::-1], values[::-1][:40], atol=1e-6 * values[-1])
    assert scatter.mean_variance == pytest.approx(np.trace(covariance) / 90)
    np.testing.assert_allclose(scatter.basis.T @ scatter.basis, np.eye(40), atol=1e-10)


def test_span_holds_every_image() -> None:
    """What lies outside it is rounding."""
    features = np.random.default_rng(1).standard_normal((7, 30)).astype(np.float32)
    mean = features.mean(axis=0, dtype=np.float64)
    basis = find_span(features, mean)
    centred = features - mean
    assert basis.shape == (30, 7)
    np.testing.assert_allclose(centred @ basis @ basis.T, centred, atol=1e-12)
