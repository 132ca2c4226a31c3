"""The distances between vectors, in numpy; smaller is closer. The graph and the trainer compute the same ones.

A new distance is one function and one line in DISTANCES.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from artifact.arrays import Vectors

COSINE_EPSILON = 1e-8
"""Norms below this count as this, so the cosine distance of a zero vector is 1 and never NaN."""


def squared_euclidean(a: Vectors, b: Vectors) -> Vectors:
    """Sum of squared differences over the last axis."""
    return np.asarray(np.square(a - b).sum(axis=-1), dtype=np.float32)


def euclidean(a: Vectors, b: Vectors) -> Vectors:
    """Length of the difference over the last axis."""
    return np.sqrt(squared_euclidean(a, b))


def cosine(a: Vectors, b: Vectors) -> Vectors:
    """1 - cosine similarity over the last axis, in [0, 2]."""
    norms = [np.maximum(np.sqrt(np.square(x).sum(axis=-1)), COSINE_EPSILON) for x in (a, b)]
    return np.asarray(1.0 - (a * b).sum(axis=-1) / (norms[0] * norms[1]), dtype=np.float32)


DISTANCES: dict[str, Callable[[Vectors, Vectors], Vectors]] = {
    "euclidean": euclidean,
    "squared_euclidean": squared_euclidean,
    "cosine": cosine,
}
