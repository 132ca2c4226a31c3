"""Cosine distance: 1 - cosine similarity, of the vectors' directions only."""

from __future__ import annotations

from artifact.distances.distance import COSINES, Distance
from artifact.namespace import Array, Namespace

COSINE_EPSILON = 1e-8
"""Norms below this count as this, so the cosine distance of a zero vector is 1 and never NaN."""


def cosine(xp: Namespace, a: Array, b: Array) -> Array:
    """1 - cos(a, b) over the last axis, in [0, 2]: [..., n] twice -> [...]; 1 where either is a zero vector.

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> cosine(NUMPY, np.array([[1.0, 0.0], [0.0, 5.0], [0.0, 0.0]]), np.array([2.0, 0.0]))
        array([0., 1., 1.])
    """
    norms = [xp.at_least(xp.length(vectors), COSINE_EPSILON) for vectors in (a, b)]
    return 1.0 - xp.sum(a * b) / (norms[0] * norms[1])


COSINE = Distance(name="cosine", between=cosine, bound=2.0, of_directions=True, product=COSINES)
