"""Squared euclidean distance: the sum of squared differences."""

from __future__ import annotations

from artifact.distances.distance import SQUARES, Distance
from artifact.namespace import Array, Namespace


def squared_euclidean(xp: Namespace, a: Array, b: Array) -> Array:
    """|a - b|^2 over the last axis: [..., n] twice -> [...].

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> squared_euclidean(NUMPY, np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([3.0, 4.0]))
        array([25., 13.])
    """
    difference = a - b
    return xp.sum(difference * difference)


SQUARED_EUCLIDEAN = Distance(
    name="squared_euclidean",
    between=squared_euclidean,
    bound=4.0,
    product=SQUARES,
    in_float64=False,
    flat_at_zero=True,
)
