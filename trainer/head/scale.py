"""Scale of a head: vectors of two classes stay as far apart, in the mean, as those of the trained layer.

So a margin, and a loss that is read off vectors, keep their meaning. Vectors of unit length have no scale, nor have
distances of directions; what a head makes of their mean distance is written down.
"""

from __future__ import annotations

import numpy as np

from analysis.measures.pairs import choose_pairs
from artifact.arrays import Indices, Numbers, Vectors
from artifact.distances.cosine import unit_vectors

_MAX_IMAGES = 4_000
_MAX_PAIRS = 200_000
_TRIES = 12
_CLOSE = 1e-6
_ROWS_AT_ONCE = 4096


def vectors_of(features: Vectors, weight: Vectors, bias: Vectors, *, normalize: bool) -> Vectors:
    """What a dense layer makes of features: float32 [N, F] -> float32 [N, dim]."""
    found = np.empty((len(features), len(weight)), np.float32)
    for first in range(0, len(features), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        found[part] = features[part] @ weight.T + bias
    return unit_vectors(found, out=found) if normalize else found


def sample_for_distances(features: Vectors, labels: Indices, *, seed: int) -> tuple[Vectors, Indices]:
    """Features and labels of some thousand images: a mean distance needs no more."""
    if len(features) <= _MAX_IMAGES:
        return features, labels
    rows = np.sort(np.random.default_rng(seed).permutation(len(features))[:_MAX_IMAGES])
    return features[rows], labels[rows]


def mean_different_distance(vectors: Vectors, labels: Indices, *, distance: str, seed: int) -> float:
    """Mean distance of pairs of two classes, of all or of a sample; NaN where there are none.

    Args:
        vectors: float32 [N, n].
        labels: int64 [N].
        distance: a name in artifact.distances.DISTANCES.
        seed: of the sample.

    Raises:
        DataError: numbers that are not finite.
    """
    different = choose_pairs(vectors, labels, distance=distance, max_pairs=_MAX_PAIRS, seed=seed).different
    return float(different.mean(dtype=np.float64)) if len(different) else float("nan")


def scale_for(target: float, vectors: Vectors, labels: Indices, *, distance: str, seed: int) -> float:
    """The number that vectors are to be multiplied by so that their mean distance of two classes is `target`.

    Returns:
        1 where no number does it: a distance of directions, or a target that is no positive number.
    """

    def mean(scale: float) -> float:
        scaled: Numbers | Vectors = vectors * np.float32(scale)
        return mean_different_distance(scaled.astype(np.float32), labels, distance=distance, seed=seed)

    now = mean(1.0)
    if not (0 < target < np.inf and 0 < now < np.inf):
        return 1.0
    power = np.log2(mean(2.0) / now)  # 1 of a length, 2 of a square, 0 of directions
    if not power > 0.01:
        return 1.0
    scale = 1.0
    for _ in range(_TRIES):
        if abs(now / target - 1) <= _CLOSE:
            break
        scale *= float((target / now) ** (1 / power))
        now = mean(scale)
    return scale
