"""Euclidean distance: the length of the difference."""

from __future__ import annotations

from artifact.distances.distance import LENGTHS, Distance
from artifact.namespace import Array, Namespace


def euclidean(xp: Namespace, a: Array, b: Array) -> Array:
    """|a - b| over the last axis: [..., n] twice -> [...]; its gradient between equal vectors is 0.

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> euclidean(NUMPY, np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([3.0, 4.0]))
        array([5., 4.])
    """
    return xp.length(a - b)


EUCLIDEAN = Distance(name="euclidean", between=euclidean, bound=2.0, product=LENGTHS, in_float64=False)
