"""The decision threshold: same iff distance <= value, chosen on held-out pairs by a false-accept rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.measures.pairs import MAX_PAIRS, Pairs, choose_pairs
from analysis.measures.roc import RocCurve
from analysis.measures.support import as_facts, support_of_pairs
from analysis.neighbours.labels import Labels
from artifact.arrays import Vectors
from artifact.errors import UsageError
from artifact.model.threshold import EER, VALUE

RULE = "same iff distance <= value"

FALSE_ACCEPT_RATE = 0.01
"""The share of different pairs that a threshold may call same, where nobody asks for another."""


def decision_threshold(
    vectors: Vectors,
    labels: Labels,
    *,
    distance: str,
    far: float = FALSE_ACCEPT_RATE,
    max_pairs: int = MAX_PAIRS,
    seed: int = 0,
) -> dict[str, Any] | None:
    """The threshold of `threshold_of_pairs` on all pairs of these images, or on a sample of them.

    Args:
        vectors: float32 [N, n] of held-out images.
        labels: [N], any hashable.
        distance: a name in artifact.distances.DISTANCES.
        far: share of different pairs that may be called same, in [0, 1].
        max_pairs: above this many pairs a seeded sample of that many is taken; `protocol` says which.
        seed: of the sample.

    Returns:
        As `threshold_of_pairs`.

    Raises:
        UsageError: an unknown distance, `far` outside [0, 1], fewer than 2 pairs.
        DataError: shapes that do not fit, or numbers that are not finite.
    """
    check_rate(far)
    return threshold_of_pairs(choose_pairs(vectors, labels, distance=distance, max_pairs=max_pairs, seed=seed), far=far)


def threshold_of_pairs(pairs: Pairs, *, far: float = FALSE_ACCEPT_RATE) -> dict[str, Any] | None:
    """The largest float32 threshold whose false-accept rate on these pairs is at most `far`.

    Returns:
        {"value": the threshold, "rule", "far": share of different pairs at most `value` apart, "frr": share of same
        pairs further apart, "eer": the equal error rate of the pairs (analysis.measures.roc), "pairs": how many were
        used, "protocol": one line of text, "same_pairs", "different_pairs" and "classes": counts of these,
        "is_enough": whether so many can tell the two rates at the value (analysis.measures.support), "rests_on":
        {"value" and "eer": {the counts, "is_enough", "text"}}};
        None where there is no same or no different pair.

    Raises:
        UsageError: `far` outside [0, 1].
    """
    check_rate(far)
    if not pairs.are_of_both_sorts:
        return None
    same, different = pairs.same, pairs.different
    value = largest_threshold(same, different, far)
    accepted = int(np.searchsorted(same, value, side="right"))
    frr, eer = (len(same) - accepted) / len(same), RocCurve(same, different).equal_error_rate
    support = support_of_pairs(len(same), len(different), far=far, same_share=frr, num_classes=pairs.num_classes)
    of_eer = support_of_pairs(len(same), len(different), both_share=eer, num_classes=pairs.num_classes)
    return {
        "value": float(value),
        "rule": RULE,
        "far": int(np.searchsorted(different, value, side="right")) / len(different),
        "frr": frr,
        "eer": eer,
        "pairs": len(same) + len(different),
        "protocol": f"{pairs.protocol}; the largest value with far <= {far:g}",
        **support.counts,
        "is_enough": support.is_enough,
        "rests_on": as_facts({VALUE: support, EER: of_eer}),
    }


def why_none(pairs: Pairs) -> str | None:
    """Why these pairs give no threshold; None where they give one."""
    if pairs.are_of_both_sorts:
        return None
    sort, of = ("same", "one class") if not len(pairs.same) else ("different", "two classes")
    return f"none of the held-out pairs is a {sort} one: there are no two images of {of}"


def check_rate(far: float) -> None:
    """Raise UsageError unless this is a rate in [0, 1]."""
    if not 0.0 <= far <= 1.0:
        raise UsageError("far", expected="a rate in [0, 1]", got=str(far))


def largest_threshold(same: Vectors, different: Vectors, far: float) -> np.float32:
    """The largest float32 value with at most this share of `different` (sorted) at or below it."""
    allowed = int(np.floor(far * len(different) + 1e-9))  # 0.01 * 300 is 2.9999999999999996
    if allowed >= len(different):  # everything may be accepted
        return np.float32(max(same[-1], different[-1]))
    if different[allowed] == 0:  # the next float below 0 is denormal, and hardware that flushes those reads 0
        return np.float32(-1.0)
    return np.float32(np.nextafter(different[allowed], np.float32(-np.inf)))
