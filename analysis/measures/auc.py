"""Area under the ROC curve of two samples of numbers, with an interval.

Decision a reader would question: the interval is Newcombe's score interval and not DeLong's. DeLong's has no width
where two samples do not overlap, as if forty pictures proved that no picture is ever mistaken; and at .5, where it is
asked whether there is a difference at all, this one's variance is that of the rank test.
"""

from __future__ import annotations

import math

import numpy as np

from analysis.measures.intervals import ALPHA, normal_limit
from artifact.arrays import Numbers
from artifact.errors import UsageError

_HALVINGS = 60


def area_under_curve(low: Numbers, high: Numbers) -> float:
    """Share of pairs, one of each sample, in which that of `high` is larger; ties count half.

    Args:
        low, high: [L] and [H], at least one of each.
    """
    rising = np.sort(low)
    below = np.searchsorted(rising, high, side="left") + np.searchsorted(rising, high, side="right")
    return float(below.sum(dtype=np.float64) / (2.0 * len(low) * len(high)))


def auc_interval(auc: float, num_low: float, num_high: float, *, alpha: float = ALPHA) -> tuple[float, float]:
    """Confidence interval of an area under the curve.

    R. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic", part 2 (2006),
    method 5: all areas that a score test does not refuse, with the variance of Hanley and McNeil (1982).

    Raises:
        UsageError: an area outside [0, 1], or an empty sample.
    """
    if not 0.0 <= auc <= 1.0 or min(num_low, num_high) < 1:
        raise UsageError("area", expected="one in [0, 1] of two samples", got=f"{auc} of {num_low} and {num_high}")
    limit = normal_limit(alpha)
    half = (num_low + num_high) / 2 - 1

    def too_far(area: float) -> bool:
        variance = area * (1 - area) / (num_low * num_high)
        variance *= 1 + half * ((1 - area) / (2 - area) + area / (1 + area))
        return abs(auc - area) > limit * math.sqrt(variance)

    ends = []
    for end in (0.0, 1.0):
        outside, inside = end, auc
        for _ in range(_HALVINGS):
            middle = (outside + inside) / 2
            outside, inside = (middle, inside) if too_far(middle) else (outside, middle)
        ends.append(inside)
    return ends[0], ends[1]
