"""Closed-form heads: a dense identity layer set by regularised LDA, or by whitened PCA, of features.

LDA: Fisher 1936, "The Use of Multiple Measurements in Taxonomic Problems"; its within-class covariance regularised as
by Friedman 1989, "Regularized Discriminant Analysis", equation 18. Directions w of largest
w'Bw / w'(W + lambda m I)w, with B the covariance of the class means, W the one within classes and m the mean of W's
eigenvalues.

Decisions a reader would question:
- Directions stand in order of importance, so the first numbers of a vector are a vector: those of LDA by their ratio,
  then, where there are fewer classes than dims, those of the whitened features' PCA at right angles to them.
- Every direction of LDA has variance 1 within classes (regularised), so that distances weigh them by what they tell.
- Where features have fewer directions than the layer has neurons, the last neurons are 0 for every image.
- Signs are fixed by each direction's largest weight; numpy's eigenvectors of equal matrices are equal on one machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from artifact.arrays import Indices, Numbers, Vectors
from artifact.errors import UsageError
from trainer.config.head import LDA, PCA
from trainer.head.scatter import Scatter, find_scatter
from trainer.head.subspace import MAX_FEATURES

DEFAULT_SHRINKAGE = {LDA: 2.0, PCA: 0.1}
"""lambda where nothing chose it."""

_NOTHING = 1e-9
"""A ratio or a share of variance below this share of the largest is rounding."""


class ClosedHead(NamedTuple):
    """A dense layer: features @ weight.T + bias.

    Attributes:
        weight: float32 [dim, F], most important neuron first.
        bias: float32 [dim], which moves the mean of the features to 0.
        facts: {"name", "lambda", "images", "classes", "features" (F), "reduced_to", "directions" (that are not 0)}.
    """

    weight: Vectors
    bias: Vectors
    facts: Mapping[str, Any]


def fit_head(
    features: Vectors,
    labels: Indices | None,
    *,
    dim: int,
    method: str,
    shrinkage: float | None = None,
    max_features: int = MAX_FEATURES,
) -> ClosedHead:
    """The head of these features.

    Args:
        features: float32 [N, F].
        labels: int64 [N], any numbers; None where there are no classes. PCA does not look at them.
        dim: neurons.
        method: `lda` or `pca`.
        shrinkage: lambda, above 0: what is added to each eigenvalue, in units of their mean; None: the method's own.
        max_features: more features than this, and than twice the neurons, are reduced to so many directions first.

    Raises:
        UsageError: LDA without labels, or a number that makes no sense.
        DataError: features that nothing can be fitted to, see trainer/head/scatter.py.
    """
    scatter = find_scatter(features, labels if method == LDA else None, dim=dim, max_features=max_features)
    return head_of(scatter, dim=dim, method=method, shrinkage=shrinkage)


def head_of(scatter: Scatter, *, dim: int, method: str, shrinkage: float | None = None) -> ClosedHead:
    """The head of a scatter: that of classes for `lda`, of images without classes for `pca`; raises UsageError."""
    if method not in DEFAULT_SHRINKAGE:
        expected = f"one of {', '.join(DEFAULT_SHRINKAGE)}"
        raise UsageError("method of a closed-form head", expected=expected, got=repr(method))
    shrinkage = DEFAULT_SHRINKAGE[method] if shrinkage is None else shrinkage
    if dim < 1:
        raise UsageError("dim of a closed-form head", expected="at least 1", got=str(dim))
    if not 0 < shrinkage < np.inf:
        raise UsageError("lambda of a closed-form head", expected="above 0", got=f"{shrinkage:g}")
    if (method == LDA) != (scatter.between is not None):
        got = "one without classes" if scatter.between is None else "one of classes"
        raise UsageError(f"scatter of a head by {method}", expected="classes for lda, none for pca", got=got)
    # in the basis of the scatter both whitenings are diagonal
    whitening = 1.0 / np.sqrt(scatter.variances + shrinkage * scatter.mean_variance)
    if scatter.between is None:
        directions = _leading(np.diag(scatter.variances), dim)
    else:
        ratios = scatter.between * np.outer(whitening, whitening)
        within = scatter.variances * whitening**2
        directions = _discriminants(ratios, within, dim)
    weight = (scatter.basis @ (whitening[:, None] * directions)).T
    weight *= _signs(weight)[:, None]
    bias = -(weight @ scatter.mean)
    missing = dim - len(weight)
    facts = {
        "name": method,
        "lambda": float(shrinkage),
        "images": scatter.images,
        "classes": scatter.classes,
        "features": len(scatter.mean),
        "reduced_to": len(scatter.variances),
        "directions": len(weight),
    }
    return ClosedHead(
        weight=np.pad(weight, ((0, missing), (0, 0))).astype(np.float32),
        bias=np.pad(bias, (0, missing)).astype(np.float32),
        facts=facts,
    )


def _discriminants(ratios: Numbers, within: Numbers, dim: int) -> Numbers:
    """Orthonormal directions of whitened features: float64 [k, up to dim], those that part classes first.

    Args:
        ratios: float64 [k, k], covariance of the class means there.
        within: float64 [k], the covariance within classes there, which is diagonal.
        dim: how many at most.
    """
    found = _leading(ratios, dim)
    if found.shape[1] == dim:
        return found
    rest = np.linalg.qr(found, mode="complete")[0][:, found.shape[1] :]  # nothing of the class means lies here
    return np.concatenate([found, rest @ _leading(rest.T @ (within[:, None] * rest), dim - found.shape[1])], axis=1)


def _leading(matrix: Numbers, count: int) -> Numbers:
    """Eigenvectors of the largest eigenvalues that are not rounding, falling: float64 [k, up to count]."""
    if not matrix.size:
        return np.zeros((len(matrix), 0))
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    kept = int((values[::-1][:count] > _NOTHING * max(values[-1], 0.0)).sum())
    return vectors[:, ::-1][:, :kept]


def _signs(weight: Numbers) -> Numbers:
    """float64 [dim], what makes the largest weight of each direction positive."""
    largest = np.take_along_axis(weight, np.abs(weight).argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(largest < 0, -1.0, 1.0)
