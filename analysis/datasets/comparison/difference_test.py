"""A two-sample test: are two sets of vectors draws of one distribution.

Four statistics, one p-value: the maximum mean discrepancy (MMD) with Gaussian kernels of half, one and two median
distances, and the largest difference of shares among regions (k-means clusters of both sets together). The smallest
of the four permutation p-values is compared with the smallest of each relabelling, so that looking four times is paid
for exactly.

Decisions a reader would question:
- Regions beside kernels. A kernel as wide as the median distance averages over everything, so a small cluster that one
  set alone has is lost in it; regions miss a small shift of everything. Each finds what the other does not.
- The p-value is that of relabelling, never of a formula: it is right for any number of rows, for heavy tails and for
  sets of unequal size. Every relabelling costs one row of a matrix product (Gretton 2012 with weights).
- No relabelling beats the labels: p is (1 + those at least as extreme) / (1 + all), and never 0.

Source: A. Gretton et al. 2012, "A kernel two-sample test"; A. Schrab et al. 2023, "MMD aggregated two-sample test";
P. Westfall, S. Young 1993, "Resampling-based multiple testing" (the p-values of regions, joint over all of them).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.datasets.comparison.landmarks import Landmarks
from analysis.datasets.comparison.relabellings import relabelled_weights
from artifact.arrays import Flags, Numbers, Vectors

SCALES = (0.5, 1.0, 2.0)
"""Bandwidths of the kernels, in medians of the distances."""

REGIONS = "regions"

_TIE = 1e-6
"""Of the largest of a statistic: two that differ by less are equal but for rounding (shares of regions often are). A
tie counts against a difference."""


@dataclass(frozen=True, kw_only=True)
class DifferenceTest:
    """What the labels give, beside what relabellings give.

    Attributes:
        p_value: in (0, 1]; of two draws of one distribution it is at most x with probability at most x.
        least_p_value: the least that these sets and so many relabellings could have given.
        p_values: of each statistic alone, {"mmd 0.5", "mmd 1", "mmd 2", "regions": p}; not corrected for being four.
        mmd_squared: with a bandwidth of one median, less what relabelling alone gives on average.
        relabelled: float64 [R], mmd_squared of each relabelling.
        region_p_values: float64 [k], corrected for being k; empty without regions.
    """

    p_value: float
    least_p_value: float
    p_values: dict[str, float]
    mmd_squared: float
    relabelled: Numbers
    region_p_values: Numbers


def difference_test(
    vectors_of: Callable[[slice], Vectors],
    in_a: Flags,
    in_b: Flags,
    *,
    landmarks: Landmarks,
    regions: npt.NDArray[np.integer] | None = None,
    count: int,
    rng: np.random.Generator,
) -> DifferenceTest:
    """Test whether the units of A and those of B are draws of one distribution.

    Args:
        vectors_of: gives float32 [m, n] of some units.
        in_a, in_b: bool [U].
        landmarks: chosen without looking at the sets.
        regions: int [U], from 0, made without looking at the sets; None: no regions.
        count: relabellings, R.
    """
    num_regions = int(regions.max()) + 1 if regions is not None else 0
    sums = [np.zeros((count + 1, len(landmarks.vectors))) for _ in SCALES]
    shares = np.zeros((count + 1, num_regions))
    for block, weights in relabelled_weights(in_a, in_b, count, rng):
        squared = landmarks.squared_distances(vectors_of(block))
        for total, scale in zip(sums, SCALES, strict=True):
            total += weights @ landmarks.kernel(squared, scale)
        if regions is not None:
            shares += weights @ (regions[block, None] == np.arange(num_regions)).astype(np.float32)
    statistics = {
        f"mmd {scale:g}": np.square(total @ landmarks.whitening(scale)).sum(axis=1)
        for total, scale in zip(sums, SCALES, strict=True)
    }
    region_p_values = np.empty(0)
    if regions is not None:
        share = np.bincount(regions, minlength=num_regions) / len(regions)
        apart = np.abs(shares) / np.sqrt(np.maximum(share * (1 - share), 1e-12))  # [1 + R, k]
        largest = apart.max(axis=1)
        statistics[REGIONS] = largest
        region_p_values = (largest[:, None] >= apart[0] - _TIE * largest.max()).mean(axis=0)
    p_values = np.stack([_p_values(values) for values in statistics.values()])  # [S, 1 + R]
    smallest = p_values.min(axis=0)
    mmd = statistics["mmd 1"] - statistics["mmd 1"][1:].mean()
    return DifferenceTest(
        p_value=float((smallest <= smallest[0]).mean()),
        least_p_value=max(1 / (count + 1), 1 / _num_labellings(in_a, in_b)),
        p_values={name: float(values[0]) for name, values in zip(statistics, p_values, strict=True)},
        mmd_squared=float(mmd[0]),
        relabelled=mmd[1:],
        region_p_values=region_p_values,
    )


def _p_values(statistics: Numbers) -> Numbers:
    """Of each of 1 + R: the share of all that are at least as large, itself among them."""
    rising = np.sort(statistics)
    below = np.searchsorted(rising, statistics - _TIE * rising[-1], side="left")
    return np.asarray((len(statistics) - below) / len(statistics), np.float64)


def _num_labellings(in_a: Flags, in_b: Flags) -> float:
    """Ways to deal the patterns among the units that the statistics tell apart; inf beyond what a float holds.

    Of sets of one size A and B can be swapped: no statistic asks which is which.
    """
    shared = int((in_a & in_b).sum())
    only_a, only_b = int(in_a.sum()) - shared, int(in_b.sum()) - shared
    logarithm = math.lgamma(len(in_a) + 1) - sum(math.lgamma(each + 1) for each in (only_a, only_b, shared))
    if only_a == only_b:
        logarithm -= math.log(2)
    return max(1, round(math.exp(logarithm))) if logarithm < 700 else math.inf
