"""The difference of two shares: of a region, or of a class, in both sets, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.measures.intervals import difference_interval


@dataclass(frozen=True, kw_only=True)
class ShareDifference:
    """How much of each set something is.

    Attributes:
        count_a, count_b: rows that count, of A and of B.
        share_a, share_b: of those of the set, in [0, 1].
        difference, low, high: share_b - share_a, and its interval, which holds for all of these at once.
    """

    count_a: int
    count_b: int
    share_a: float
    share_b: float
    difference: float
    low: float
    high: float


def share_difference(counts: tuple[int, int], totals: tuple[int, int], *, alpha: float) -> ShareDifference:
    """Of rows counted in A and in B.

    Args:
        counts, totals: of A and of B; a total may be 0.
        alpha: how often the interval may leave the truth out, in (0, 1), corrected for how many are looked at.
    """
    num_a, num_b = (max(1, total) for total in totals)
    share_a, share_b = counts[0] / num_a, counts[1] / num_b
    low, high = difference_interval(share_b, num_b, share_a, num_a, alpha=alpha)
    return ShareDifference(
        count_a=counts[0],
        count_b=counts[1],
        share_a=share_a,
        share_b=share_b,
        difference=share_b - share_a,
        low=low,
        high=high,
    )
