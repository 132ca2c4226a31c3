"""Two networks compared on the SAME images: the difference in recall@1 with its interval.

Decision a reader would question: the interval is Tango's score interval, not a bootstrap or the textbook's normal one.
Two networks that disagree on no image at all give the others an interval of no width, as if two thousand images proved
that the next million agree too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from analysis.measures.intervals import ALPHA, normal_limit
from analysis.measures.ranking import rank_within
from analysis.neighbours.labels import Labels, label_codes
from artifact.arrays import Vectors
from artifact.errors import DataError, UsageError


@dataclass(frozen=True, kw_only=True)
class PairedRecall:
    """recall@1 of a reference and of a candidate on the same queries, as shares.

    Attributes:
        reference, candidate: recall@1 of each.
        lost: reference - candidate.
        low, high: confidence interval of `lost`.
        only_reference, only_candidate: queries that one of them alone answers rightly.
        queries: how many were ranked; those whose class has no other image are left out.
    """

    reference: float
    candidate: float
    lost: float
    low: float
    high: float
    only_reference: int
    only_candidate: int
    queries: int


def paired_recall(reference: Vectors, candidate: Vectors, labels: Labels, *, distance: str) -> PairedRecall:
    """Compare two sets of vectors of the same images by leave-one-out recall@1.

    Args:
        reference, candidate: float32 [N, n] and [N, m], row by row of the same images.
        labels: [N], any hashable.
        distance: a name in artifact.distances.DISTANCES.

    Raises:
        UsageError: an unknown distance.
        DataError: sets of different length, numbers that are not finite, or no class with another image.
    """
    if len(reference) != len(candidate):
        raise DataError("candidate vectors", expected=f"{len(reference)} rows", got=str(len(candidate)))
    codes = label_codes(labels, len(reference))
    found = [rank_within(vectors, codes, distance=distance) for vectors in (reference, candidate)]
    if found[0] is None or found[1] is None:
        raise DataError("labels", expected="a class with another image", got=f"none among {len(codes)} images")
    first, second = (ranking.values["recall@1"] > 0 for ranking in (found[0], found[1]))
    queries = len(first)
    only_reference, only_candidate = int((first & ~second).sum()), int((second & ~first).sum())
    low, high = paired_interval(only_reference, only_candidate, queries)
    return PairedRecall(
        reference=float(first.mean()),
        candidate=float(second.mean()),
        lost=(only_reference - only_candidate) / queries,
        low=low,
        high=high,
        only_reference=only_reference,
        only_candidate=only_candidate,
        queries=queries,
    )


def paired_interval(only_first: int, only_second: int, total: int) -> tuple[float, float]:
    """Confidence interval of the difference of two paired proportions, (only_first - only_second) / total.

    Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
    Statistics in Medicine 17 (1998): all differences that a score test at this level does not refuse.

    Raises:
        UsageError: counts that do not fit.
    """
    if min(only_first, only_second) < 0 or total < 1 or only_first + only_second > total:
        raise UsageError("counts", expected="two that fit in the total", got=f"{only_first}, {only_second} of {total}")
    limit = normal_limit(ALPHA)
    middle = (only_first - only_second) / total

    def score(difference: float) -> float:
        return _score(difference, only_first, only_second, total)

    return _root(lambda x: score(x) - limit, -1.0, middle), _root(lambda x: score(x) + limit, middle, 1.0)


def _score(difference: float, only_first: int, only_second: int, total: int) -> float:
    """Standardised distance of the data from a difference, falling in it; the variance is that under the difference."""
    gap = only_first - only_second - total * difference
    b = -only_first - only_second + (2 * total - only_first + only_second) * difference
    c = -only_second * difference * (1 - difference)
    share = (math.sqrt(max(0.0, b * b - 8 * total * c)) - b) / (4 * total)
    variance = total * (2 * share + difference * (1 - difference))
    if variance <= 0:
        return 0.0 if gap == 0 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(100):  # halves to the last bit
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
