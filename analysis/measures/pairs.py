"""Pairs of labelled vectors and how far apart they are: all of them, or a seeded uniform sample.

Decision a reader would question: same and different pairs are sampled apart, each uniformly. Both rates are conditional
on what the pair is, so this biases neither, and a set of a thousand classes still has enough same pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.neighbours.checks import check_vectors
from analysis.neighbours.labels import Labels, label_codes
from artifact.arrays import Indices, Vectors
from artifact.distances import DISTANCES, check_distance
from artifact.errors import UsageError

MAX_PAIRS = 2_000_000
"""Above this many a sample is taken: rates of a percent are then known to a few hundredths of it."""

_PAIRS_PER_CHUNK = 65_536


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Chosen pairs, nearest first; there may be none of one sort or of both.

    Attributes:
        same, different: float32 [S] and [D], distances, rising.
        same_classes: int64 [S], code of the class that both images of a pair are of.
        different_classes: int64 [2, D], of the one and of the other image.
        sampled: whether there are more pairs than these.
        protocol: one line on what was taken from how many.
    """

    same: Vectors
    different: Vectors
    same_classes: Indices
    different_classes: Indices
    sampled: bool
    protocol: str

    @property
    def are_of_both_sorts(self) -> bool:
        """Whether same and different can be told apart at all: one needs pairs of each."""
        return len(self.same) > 0 and len(self.different) > 0

    @property
    def num_classes(self) -> int:
        """Classes of which there are pairs."""
        return len(np.unique(np.append(self.same_classes, self.different_classes)))


def choose_pairs(
    vectors: Vectors, labels: Labels, *, distance: str, max_pairs: int = MAX_PAIRS, seed: int = 0
) -> Pairs:
    """Take all pairs of rows, or above `max_pairs` a seeded sample of that many; memory grows with `max_pairs` only.

    Half are same pairs, or as many as there are; the rest are different ones.

    Args:
        vectors: float32 [N, n].
        labels: [N], any hashable.
        distance: a name in artifact.distances.DISTANCES.
        max_pairs: how many at most, of both sorts together.
        seed: of the sample.

    Raises:
        UsageError: an unknown distance, or fewer than 2 pairs.
        DataError: shapes that do not fit, or numbers that are not finite.
    """
    check_distance(distance)
    if max_pairs < 2:
        raise UsageError("max_pairs", expected="at least 2", got=str(max_pairs))
    array = check_vectors(vectors)
    codes = label_codes(labels, len(array))
    order, ends = _by_class(codes)
    counts = ends - np.arange(len(order)) - 1  # same pairs of each row with a later row of its class
    other_counts = len(order) - ends  # different pairs of each row with a row of a later class
    num_same, num_different = int(counts.sum()), int(other_counts.sum())
    take_same = min(num_same, max(max_pairs // 2, max_pairs - num_different))
    take_different = min(num_different, max_pairs - take_same)
    rng = np.random.default_rng(seed)
    first, step = _pair_at(_choose(num_same, take_same, rng), counts)
    same, rows = _sorted_distances(array, order[first], order[first + 1 + step], distance)
    same_classes = codes[rows[0]]
    first, step = _pair_at(_choose(num_different, take_different, rng), other_counts)
    different, rows = _sorted_distances(array, order[first], order[ends[first] + step], distance)
    sampled = take_same + take_different < num_same + num_different
    source = f"uniform samples (seed {seed}) of {num_same} and {num_different}" if sampled else "all there are"
    return Pairs(
        same=same,
        different=different,
        same_classes=same_classes,
        different_classes=codes[rows],
        sampled=sampled,
        protocol=f"{take_same} same and {take_different} different held-out pairs ({source})",
    )


def _by_class(codes: Indices) -> tuple[Indices, Indices]:
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


def _sorted_distances(vectors: Vectors, a: Indices, b: Indices, distance: str) -> tuple[Vectors, Indices]:
    """Distances float32 [P], rising, and the rows of both images of each pair, int64 [2, P]."""
    found = pair_distances(vectors, a, b, distance)
    nearest_first = np.argsort(found, kind="stable")
    return found[nearest_first], np.stack([a, b])[:, nearest_first]


def pair_distances(vectors: Vectors, a: Indices, b: Indices, distance: str) -> Vectors:
    """float32 [P] between rows a and b, by the artifact's own function: they are compared with what artifacts give."""
    found = np.empty(len(a), np.float32)
    for first in range(0, len(a), _PAIRS_PER_CHUNK):
        part = slice(first, first + _PAIRS_PER_CHUNK)
        found[part] = DISTANCES[distance](vectors[a[part]], vectors[b[part]])
    return found
