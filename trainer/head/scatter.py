"""Scatter of features: how they vary within classes and between them, computed once for every head that is tried.

Everything is summed in float64, a block of rows at a time, so memory is that of a few matrices [k, k].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from artifact.arrays import Indices, Numbers, Vectors
from artifact.errors import DataError
from trainer.head.subspace import MAX_FEATURES, find_span, find_subspace, num_directions

_BLOCK_NUMBERS = 2**23
"""Numbers in one block of rows: 64 MiB of float64."""


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """Covariances of features, in a basis in which the one that heads are regularised by is diagonal.

    Attributes:
        mean: float64 [F].
        basis: float64 [F, k], orthonormal columns: eigenvectors of the within-class covariance, of the total one where
            there are no classes.
        variances: float64 [k], the eigenvalues, 0 or more.
        mean_variance: the mean of all F of them, those outside the basis included.
        between: float64 [k, k], covariance of the class means, each weighted by its images; None without classes.
        images, classes: how many there were; no classes: None.
    """

    mean: Numbers
    basis: Numbers
    variances: Numbers
    mean_variance: float
    between: Numbers | None
    images: int
    classes: int | None


def find_scatter(features: Vectors, labels: Indices | None, *, dim: int, max_features: int = MAX_FEATURES) -> Scatter:
    """Scatter of the features of labelled images, or of images without classes.

    Args:
        features: float32 [N, F].
        labels: int64 [N], any numbers; None: no classes.
        dim: neurons of the heads that are made of it: as many directions stay, where there are so many.
        max_features: more features than this are reduced to so many directions first, see `num_directions`.

    Raises:
        DataError: fewer than two images, numbers that are not finite, features that are all equal; with classes, fewer
            than two of them, or none with two different images.
    """
    mean = _mean(features)
    spread = _spread(features, mean)
    if not spread > 1e-12 * float(mean @ mean) + 1e-30:  # float32 features that differ by rounding are equal
        raise DataError("features of the training images", expected="some that differ", got="the same of every image")
    codes = None if labels is None else _codes(labels, len(features))
    kept = num_directions(features.shape[1], max_features, dim=dim, has_classes=codes is not None)
    reduction = None
    if len(features) < kept:  # all images lie in fewer directions than are kept
        reduction = find_span(features, mean)
    elif kept < features.shape[1]:
        reduction = find_subspace(features, mean, codes, kept)
    total, means = _sums(features, mean, codes, reduction)
    if codes is None or means is None:
        variances, vectors = np.linalg.eigh(total)
        between = None
    else:
        between = (means.T * np.bincount(codes)) @ means / len(features)
        within = total - between
        variances, vectors = np.linalg.eigh((within + within.T) / 2)
        if not variances.sum() > 1e-12 * np.trace(total):
            raise DataError(
                "classes of the training images", expected="one with two different images", got="none", mend="use pca"
            )
        between = vectors.T @ between @ vectors
    return Scatter(
        mean=mean,
        basis=vectors if reduction is None else reduction @ vectors,
        variances=np.maximum(variances, 0.0),
        mean_variance=(spread - (0.0 if between is None else float(np.trace(between)))) / features.shape[1],
        between=between,
        images=len(features),
        classes=None if codes is None else int(codes.max()) + 1,
    )


def _codes(labels: Indices, num_images: int) -> Indices:
    """Labels as 0..C-1; raises DataError."""
    if labels.shape != (num_images,):
        raise DataError("labels", expected=f"one for each of {num_images} images", got=f"shape {list(labels.shape)}")
    known, codes = np.unique(labels, return_inverse=True)
    if len(known) < 2:
        raise DataError("classes of the training images", expected="at least 2", got=str(len(known)), mend="use pca")
    return codes.astype(np.int64)


def _blocks(features: Vectors) -> Iterator[slice]:
    rows = max(1, _BLOCK_NUMBERS // features.shape[1])
    return (slice(first, first + rows) for first in range(0, len(features), rows))


def _mean(features: Vectors) -> Numbers:
    """float64 [F]; raises DataError."""
    if features.ndim != 2 or len(features) < 2 or features.shape[1] == 0:
        number = {0: "none", 1: "one"}.get(len(features)) if features.ndim == 2 and features.shape[1] else None
        got = number or f"shape {list(features.shape)}, not [images, features]"
        raise DataError("features of the training images", expected="two images or more", got=got)
    total = np.zeros(features.shape[1])
    for block in _blocks(features):
        total += features[block].sum(axis=0, dtype=np.float64)
    if not np.isfinite(total).all():
        bad = [first for first in range(len(features)) if not np.isfinite(features[first]).all()]
        got = f"NaN or infinity in {len(bad)} of {len(features)} images, first {bad[0]}" if bad else "too large ones"
        raise DataError("features of the training images", expected="finite numbers", got=got)
    return total / len(features)


def _spread(features: Vectors, mean: Numbers) -> float:
    """Trace of the total covariance."""
    return sum(float(np.square(features[block] - mean).sum()) for block in _blocks(features)) / len(features)


def _sums(
    features: Vectors, mean: Numbers, codes: Indices | None, reduction: Numbers | None
) -> tuple[Numbers, Numbers | None]:
    """Total covariance [k, k], and the means of the classes from the mean of all, [C, k], in the reduced features."""
    size = features.shape[1] if reduction is None else reduction.shape[1]
    narrow = None if reduction is None else reduction.astype(np.float32)
    total = np.zeros((size, size))
    sums = None if codes is None else np.zeros((int(codes.max()) + 1, size))
    for block in _blocks(features):
        some = features[block] - mean
        if narrow is not None:  # the large product in float32, of numbers up to 1
            unit = float(np.abs(some).max()) or 1.0
            some = ((some / unit).astype(np.float32) @ narrow) * np.float64(unit)
        total += some.T @ some
        if sums is not None and codes is not None:
            order = np.argsort(codes[block], kind="stable")
            present, starts = np.unique(codes[block][order], return_index=True)
            sums[present] += np.add.reduceat(some[order], starts, axis=0)
    means = None if sums is None or codes is None else sums / np.bincount(codes)[:, None]
    return total / len(features), means
