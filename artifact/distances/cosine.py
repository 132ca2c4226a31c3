"""Cosine distance: 1 - cosine similarity, of the vectors' directions only."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from artifact.arrays import AnyArray, Numbers, Vectors
from artifact.distances.distance import COSINES, Distance
from artifact.namespace import NUMPY, Array, Namespace

COSINE_EPSILON = 1e-8
"""Norms below this count as this, so the cosine distance of a zero vector is 1 and never NaN."""

_ROWS_AT_ONCE = 4096
_Floats = TypeVar("_Floats", Vectors, Numbers)


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


def unit_vectors(vectors: _Floats, *, out: _Floats | None = None) -> _Floats:
    """Vectors of length 1 in the same directions; a zero vector stays zero.

    Args:
        vectors: float32 or float64 [N, n].
        out: of the same shape and type, to write to; may be `vectors`.
    """
    found = np.empty_like(vectors) if out is None else out
    for first in range(0, len(vectors), _ROWS_AT_ONCE):  # so the squares take no memory to speak of
        rows = slice(first, first + _ROWS_AT_ONCE)
        lengths = NUMPY.at_least(NUMPY.length(vectors[rows]), COSINE_EPSILON)
        np.divide(vectors[rows], lengths[:, None], out=found[rows])
    return found


def cosines_of_pairs(a: AnyArray, b: AnyArray) -> Numbers:
    """Cosine similarity of each pair of rows, computed in float64: [N, n] twice -> float64 [N]; 0 for a zero vector."""
    return np.asarray(1.0 - cosine(NUMPY, a.astype(np.float64), b.astype(np.float64)), np.float64)
