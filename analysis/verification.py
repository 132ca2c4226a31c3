"""The decision threshold: same iff distance <= value, chosen on held-out pairs by a false-accept rate.

Decision a reader would question: same and different pairs are sampled apart, each uniformly. Both rates are conditional
on what the pair is, so this biases neither, and a set of a thousand classes still has enough same pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.labels import Codes, Labels, label_codes
from analysis.pairwise import check_distance, check_vectors
from artifact.distances import DISTANCES, Vectors
from artifact.errors import UsageError

RULE = "same iff distance <= value"
_PAIRS_PER_CHUNK = 65_536

Indices = npt.NDArray[np.int64]


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
    check_distance(distance)
    if not 0.0 <= far <= 1.0:
        raise UsageError("far", expected="a rate in [0, 1]", got=str(far))
    if max_pairs < 2:
        raise UsageError("max_pairs", expected="at least 2", got=str(max_pairs))
    array = check_vectors(vectors)
    order, ends = _by_class(label_codes(labels, len(array)))
    counts = ends - np.arange(len(order)) - 1  # same pairs of each row with a later row of its class
    other_counts = len(order) - ends  # different pairs of each row with a row of a later class
    num_same, num_different = int(counts.sum()), int(other_counts.sum())
    if not num_same or not num_different:
        return None

    take_same = min(num_same, max(max_pairs // 2, max_pairs - num_different))
    take_different = min(num_different, max_pairs - take_same)
    rng = np.random.default_rng(seed)
    first, step = _pair_at(_choose(num_same, take_same, rng), counts)
    same = _distances(array, order[first], order[first + 1 + step], distance)
    first, step = _pair_at(_choose(num_different, take_different, rng), other_counts)
    different = _distances(array, order[first], order[ends[first] + step], distance)

    same.sort()
    different.sort()
    value = _largest_threshold(same, different, far)
    sampled = take_same + take_different < num_same + num_different
    source = f"uniform samples (seed {seed}) of {num_same} and {num_different}" if sampled else "all there are"
    rejected = take_same - int(np.searchsorted(same, value, side="right"))
    return {
        "value": float(value),
        "rule": RULE,
        "far": int(np.searchsorted(different, value, side="right")) / take_different,
        "frr": rejected / take_same,
        "eer": equal_error_rate(same, different),
        "pairs": take_same + take_different,
        "protocol": f"{take_same} same and {take_different} different held-out pairs ({source}); "
        f"the largest value with far <= {far:g}",
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


def _largest_threshold(same: Vectors, different: Vectors, far: float) -> np.float32:
    allowed = int(np.floor(far * len(different) + 1e-9))  # 0.01 * 300 is 2.9999999999999996
    if allowed >= len(different):  # everything may be accepted
        return np.float32(max(same[-1], different[-1]))
    if different[allowed] == 0:  # the next float below 0 is denormal, and hardware that flushes those reads 0
        return np.float32(-1.0)
    return np.float32(np.nextafter(different[allowed], np.float32(-np.inf)))


def _by_class(codes: Codes) -> tuple[Indices, Indices]:
    """Rows sorted by class, and for each sorted position the end (exclusive) of its class; both int64 [N].

    In this order every pair of rows has a number, so a uniform sample of pairs is a sample of integers.
    """
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    return order, np.repeat(np.cumsum(sizes), sizes)


def _pair_at(numbers: Indices, counts: Indices) -> tuple[Indices, Indices]:
    """The first position of each numbered pair, and which of the `counts[position]` partners it has."""
    ends = np.cumsum(counts)
    first = np.searchsorted(ends, numbers, side="right")
    return first, numbers - (ends[first] - counts[first])


def _choose(total: int, count: int, rng: np.random.Generator) -> Indices:
    """`count` distinct integers below `total`, uniformly; memory in proportion to `count` and never to `total`."""
    if count >= total:
        return np.arange(total)
    if total < 4 * count:
        return rng.permutation(total)[:count]
    chosen = np.unique(rng.integers(0, total, count))
    while len(chosen) < count:
        chosen = np.unique(np.append(chosen, rng.integers(0, total, count)))
    return rng.permutation(chosen)[:count]


def _distances(vectors: Vectors, a: Indices, b: Indices, distance: str) -> Vectors:
    """float32 [pairs], by the artifact's own function, since these numbers are compared with what artifacts give."""
    found = np.empty(len(a), np.float32)
    for first in range(0, len(a), _PAIRS_PER_CHUNK):
        part = slice(first, first + _PAIRS_PER_CHUNK)
        found[part] = DISTANCES[distance](vectors[a[part]], vectors[b[part]])
    return found
