"""Confidence intervals of means over images: a score interval for a share, and a bootstrap over classes.

Decisions a reader would question:
- What is resampled is the CLASSES, each with all its images. Queries of one class share their references and look
  alike, so they are right or wrong together; a bootstrap over queries takes them for independent and comes out far too
  narrow. The question it answers: what other classes of this sort would score, against references like these.
- Below MIN_CLASSES there is no such interval: a handful of classes says nothing of the next one.
- A share of a SAMPLE has Wilson's score interval and not the normal one, which has no width where all are right.
"""

from __future__ import annotations

import math
import sys
from statistics import NormalDist

import numpy as np

from analysis.neighbours.samples import check_seed
from artifact.arrays import Indices, Numbers
from artifact.errors import UsageError

MIN_CLASSES = 5

ALPHA = 0.05
"""Of every interval: how often it leaves the truth out."""

CONFIDENCE = 1 - ALPHA

_MOST_INFORMATION = 10.0
"""A number counts as this many yes-or-no answers at most: a sample that saw no failure has not proven that none is."""

_CELLS = 1 << 22
"""Numbers in the weights of one batch of resamples."""


def mean_interval(values: Numbers, *, population: int | None = None) -> tuple[float, float]:
    """Confidence interval of the mean of numbers within [0, 1], of which these are a uniform sample.

    Wilson, "Probable inference, the law of succession, and statistical inference" (1927), with an effective sample
    size for numbers that are no yes or no (Korn, Graubard 1998): n * m (1 - m) / variance, m the mean; and with the
    correction for a sample that is a large part of a finite population.

    Args:
        values: float64 [n], n >= 1.
        population: how many there are in all; None where the sample is a small part.

    Raises:
        UsageError: no values.
    """
    size = len(values)
    if not size:
        raise UsageError("values", expected="at least one", got="none")
    mean, variance = float(values.mean()), float(values.var())
    if population is not None and size >= population:
        return mean, mean
    binary = mean * (1.0 - mean)
    effective = size * (min(_MOST_INFORMATION, binary / variance) if variance > 0 and binary > 0 else 1.0)
    if population is not None:
        effective *= (population - 1) / (population - size)
    return score_interval(mean, effective)


def normal_limit(alpha: float) -> float:
    """What the size of a standard normal number exceeds with probability alpha, in (0, 1].

    From the tail: 1 - alpha is 1 where alpha is below 1e-16, which that of one interval among many may well be.
    """
    return -NormalDist().inv_cdf(max(alpha / 2, sys.float_info.min))


def score_interval(mean: float, size: float, *, alpha: float = ALPHA) -> tuple[float, float]:
    """Wilson's interval of a share in [0, 1] of so many yes-or-no answers, more than none."""
    squared = normal_limit(alpha) ** 2
    middle = (mean + squared / (2 * size)) / (1 + squared / size)
    half = math.sqrt(squared * (mean * (1.0 - mean) / size + squared / (4 * size**2))) / (1 + squared / size)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference_interval(
    first: float, num_first: float, second: float, num_second: float, *, alpha: float = ALPHA
) -> tuple[float, float]:
    """Confidence interval of first - second, shares in [0, 1] of so many yes-or-no answers of two samples.

    R. Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10: the score
    intervals of both shares, put together.
    """
    first_low, first_high = score_interval(first, num_first, alpha=alpha)
    second_low, second_high = score_interval(second, num_second, alpha=alpha)
    middle = first - second
    low = middle - math.hypot(first - first_low, second_high - second)
    high = middle + math.hypot(first_high - first, second - second_low)
    return max(-1.0, low), min(1.0, high)


def class_intervals(
    values: Numbers, codes: Indices, *, resamples: int, seed: int = 0
) -> list[tuple[float, float]] | None:
    """Confidence interval of each column's mean by drawing whole classes with replacement.

    A percentile bootstrap of clusters (Davison, Hinkley, "Bootstrap Methods and their Application", 1997, 3.8): in each
    resample as many classes are drawn as there are, and the mean is over all rows of those drawn.

    Args:
        values: float64 [Q, M].
        codes: int64 [Q], the class of each row.
        resamples: how many; at least 1.

    Returns:
        (low, high) of each of M columns; None with fewer than MIN_CLASSES classes.

    Raises:
        UsageError: no resamples, or a seed below 0.
    """
    check_resamples(resamples, seed)
    _, dense = np.unique(codes, return_inverse=True)
    sizes = np.bincount(dense).astype(float)  # [C]
    if len(sizes) < MIN_CLASSES:
        return None
    sums = np.stack([np.bincount(dense, weights=column) for column in values.T], axis=1)  # [C, M]
    means = np.empty((resamples, values.shape[1]))
    rng = np.random.default_rng(seed)
    batch = max(1, _CELLS // len(sizes))
    for first in range(0, resamples, batch):
        drawn = draw_classes(len(sizes), min(batch, resamples - first), rng).astype(float)  # [b, C]
        means[first : first + len(drawn)] = (drawn @ sums) / (drawn @ sizes)[:, None]
    return percentiles(means)


def draw_classes(num_classes: int, resamples: int, rng: np.random.Generator) -> Indices:
    """Draws of each class in each resample: int64 [resamples, num_classes]."""
    return rng.multinomial(num_classes, np.full(num_classes, 1.0 / num_classes), size=resamples)


def percentiles(estimates: Numbers) -> list[tuple[float, float]]:
    """The middle CONFIDENCE of each column of [resamples, M], NaN left out."""
    ends = np.nanquantile(estimates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return [(float(low), float(high)) for low, high in ends.T]


def check_resamples(resamples: int, seed: int) -> None:
    """Raise UsageError unless there is at least one resample and the seed is at least 0."""
    if resamples < 1:
        raise UsageError("bootstrap", expected="at least 1 resample", got=str(resamples))
    check_seed(seed)
