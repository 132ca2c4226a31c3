"""Diverse rows: each next one is the farthest from all that are labelled or chosen (k-centre greedy).

Sener, Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach" (2018); Gonzalez 1985: no
other choice of as many rows has a radius of less than half of this one's.

Decision a reader would question: exact, and still not one pass over the table a row. The farthest CANDIDATES rows are
set aside; others only come nearer, so as long as the farthest candidate is farther than the first that was not set
aside it is the farthest of all. Then all rows are compared with what was chosen since, in one product.
"""

from __future__ import annotations

import numpy as np

from analysis.datasets.selecting.covered import Pool
from analysis.neighbours.nearest import nearest
from artifact.arrays import Indices, Vectors
from artifact.distances import DISTANCES

CANDIDATES = 4096


def diverse(pool: Pool, count: int) -> Indices:
    """Choose rows: int64 [count], rows of the pool in the order chosen; `count` is at most all of them.

    The first, where nothing is labelled, is the row nearest to the mean.
    """
    vectors = pool.vectors
    apart = pool.from_labelled(np.arange(len(vectors)))
    chosen: list[int] = []
    if not len(pool.labelled):
        chosen.append(_most_central(vectors, pool.distance))
        apart = _nearer(apart, vectors, chosen, pool.distance)
    while len(chosen) < count:
        new = _farthest(vectors, apart, count - len(chosen), pool.distance)
        chosen += new
        apart = _nearer(apart, vectors, new, pool.distance)
    return np.array(chosen, np.int64)


def _farthest(vectors: Vectors, apart: Vectors, count: int, distance: str) -> list[int]:
    """The next rows in order: as many as the candidates can tell, and at least one."""
    order = np.argsort(-apart, kind="stable")
    candidates = np.sort(order[:CANDIDATES])
    limit = float(apart[order[CANDIDATES]]) if len(order) > CANDIDATES else -1.0
    left, among = apart[candidates].copy(), vectors[candidates]
    found: list[int] = []
    while len(found) < count:
        place = int(left.argmax())
        if found and left[place] <= limit:  # one that was not set aside may be as far
            break
        found.append(int(candidates[place]))
        left = np.minimum(left, DISTANCES[distance](among, among[place]))
        left[place] = -1.0  # below what is at distance 0 of one chosen, whatever the rounding
    return found


def _nearer(apart: Vectors, vectors: Vectors, chosen: list[int], distance: str) -> Vectors:
    """Distances to the nearest where these rows are chosen too; -1 for them."""
    found, _ = nearest(vectors[chosen], vectors, 1, distance=distance)
    nearer: Vectors = np.where(apart < 0, apart, np.minimum(apart, found[:, 0]))
    nearer[chosen] = -1.0
    return nearer


def _most_central(vectors: Vectors, distance: str) -> int:
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return int(DISTANCES[distance](vectors, mean).argmin())
