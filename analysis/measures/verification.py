"""The decision threshold: same iff distance <= value, chosen on held-out pairs by a false-accept rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.measures.pairs import choose_pairs
from analysis.neighbours.labels import Labels
from artifact.arrays import Vectors
from artifact.errors import UsageError

RULE = "same iff distance <= value"


def decision_threshold(
    vectors: Vectors,
    labels: Labels,
    *,
    distance: str,
    far: float = 0.01,
    max_pairs: int = 2_000_000,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Find the largest float32 threshold whose false-accept rate on these images is at most `far`.

    Args:
        vectors: float32 [N, n] of held-out images.
        labels: [N], any hashable.
        distance: a name in artifact.distances.DISTANCES.
        far: share of different pairs that may be called same, in [0, 1].
        max_pairs: above this many pairs a seeded sample of that many is taken; `protocol` says which.
        seed: of the sample.

    Returns:
        {"value": the threshold, "rule", "far": share of different pairs at most `value` apart, "frr": share of same
        pairs further apart, "eer": the mean of both rates where they are nearest to each other, "pairs": how many
        were used, "protocol": one line of text}; None where there is no same or no different pair.

    Raises:
        UsageError: an unknown distance, `far` outside [0, 1], fewer than 2 pairs.
        DataError: shapes that do not fit, or numbers that are not finite.
    """
    if not 0.0 <= far <= 1.0:
        raise UsageError("far", expected="a rate in [0, 1]", got=str(far))
    pairs = choose_pairs(vectors, labels, distance=distance, max_pairs=max_pairs, seed=seed)
    if pairs is None:
        return None
    same, different = pairs.same, pairs.different
    value = largest_threshold(same, different, far)
    accepted = int(np.searchsorted(same, value, side="right"))
    return {
        "value": float(value),
        "rule": RULE,
        "far": int(np.searchsorted(different, value, side="right")) / len(different),
        "frr": (len(same) - accepted) / len(same),
        "eer": equal_error_rate(same, different),
        "pairs": len(same) + len(different),
        "protocol": f"{pairs.protocol}; the largest value with far <= {far:g}",
    }


def equal_error_rate(same: Vectors, different: Vectors) -> float:
    """Mean of the false-accept and false-reject rate at the threshold where they are nearest to each other.

    Args:
        same, different: float32 [S] and [D], distances of same and of different pairs, each SORTED.
    """
    thresholds = np.unique(np.concatenate([same, different]))
    accepts = np.searchsorted(different, thresholds, side="right") / len(different)
    rejects = 1.0 - np.searchsorted(same, thresholds, side="right") / len(same)
    # below every distance nothing is accepted: far 0, frr 1
    accepts, rejects = np.append(0.0, accepts), np.append(1.0, rejects)
    best = int(np.argmin(np.abs(accepts - rejects)))
    return float((accepts[best] + rejects[best]) / 2)


def largest_threshold(same: Vectors, different: Vectors, far: float) -> np.float32:
    """The largest float32 value with at most this share of `different` (sorted) at or below it."""
    allowed = int(np.floor(far * len(different) + 1e-9))  # 0.01 * 300 is 2.9999999999999996
    if allowed >= len(different):  # everything may be accepted
        return np.float32(max(same[-1], different[-1]))
    if different[allowed] == 0:  # the next float below 0 is denormal, and hardware that flushes those reads 0
        return np.float32(-1.0)
    return np.float32(np.nextafter(different[allowed], np.float32(-np.inf)))
