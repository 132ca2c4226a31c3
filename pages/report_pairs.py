"""Distances of same and of different held-out pairs, for drawing; the threshold itself comes from analysis/."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifact.arrays import Indices, Vectors
from artifact.distances import DISTANCES

MAX_PAIRS = 100_000
"""Of each sort."""

_CHUNK_VALUES = 1 << 20
_EVERY_PAIR_ROWS = 400

Rates = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PairDistances:
    """Sorted distances, float32 [S] and [D]."""

    same: Vectors
    different: Vectors

    def rates(self) -> tuple[Rates, Rates]:
        """For rising thresholds: the share of different pairs accepted, and of same pairs; float64 [T] twice.

        The first threshold is below every distance, the last accepts all. At least one pair of each sort.
        """
        thresholds = np.unique(np.concatenate([self.same, self.different]))
        far = np.searchsorted(self.different, thresholds, side="right") / len(self.different)
        accepted = np.searchsorted(self.same, thresholds, side="right") / len(self.same)
        return np.append(0.0, far), np.append(0.0, accepted)


def pair_distances(vectors: Vectors, codes: Indices, *, distance: str, seed: int = 0) -> PairDistances:
    """Every pair of a few hundred images; of more, samples of both sorts, drawn with replacement.

    Args:
        vectors: float32 [N, n].
        codes: int64 [N], classes.
        distance: a name in artifact.distances.DISTANCES.
        seed: of the sample.
    """
    if len(codes) <= _EVERY_PAIR_ROWS:
        first, second = (side.astype(np.int64) for side in np.triu_indices(len(codes), 1))
    else:
        first, second = _sample(codes, np.random.default_rng(seed))
    found = np.empty(len(first), np.float32)
    chunk = max(1, _CHUNK_VALUES // vectors.shape[1])
    for start in range(0, len(first), chunk):
        part = slice(start, start + chunk)
        found[part] = DISTANCES[distance](vectors[first[part]], vectors[second[part]])
    is_same = codes[first] == codes[second]
    return PairDistances(same=np.sort(found[is_same]), different=np.sort(found[~is_same]))


def _sample(codes: Indices, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Up to MAX_PAIRS same and as many different pairs, each pair of a sort equally likely."""
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    partners = sizes[codes[order]] - 1  # how many same pairs begin at each row
    ends = np.cumsum(partners)
    firsts, seconds = [], []
    if ends[-1] > 0:
        at = np.searchsorted(ends, rng.integers(0, ends[-1], MAX_PAIRS), side="right")
        own, begin = at - starts[codes[order[at]]], starts[codes[order[at]]]
        step = rng.integers(1, np.maximum(2, partners[at] + 1))  # around the class from the row's own place
        other = begin + (own + step) % (partners[at] + 1)
        firsts.append(order[at])
        seconds.append(order[other])
    a, b = rng.integers(0, len(codes), (2, 4 * MAX_PAIRS))
    kept = np.flatnonzero(codes[a] != codes[b])[:MAX_PAIRS]
    return np.concatenate([*firsts, a[kept]]), np.concatenate([*seconds, b[kept]])
