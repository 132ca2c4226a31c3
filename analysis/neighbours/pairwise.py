"""All distances between two sets of vectors, a block of queries at a time, so memory stays bounded.

Decisions a reader would question:
- The matrix product is done in float64. In float32 the euclidean distance of vectors far from the origin loses all its
  digits to cancellation, and neighbours then rank by rounding noise; float64 costs twice the time and keeps the order.
- Euclidean vectors are moved to the mean of the references, which changes no distance, and their squares ride along as
  two more columns of the product, so one product gives squared distances and nothing is added to it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.neighbours.checks import check_dims
from artifact.arrays import Numbers, Vectors
from artifact.distances import DISTANCES, check_distance
from artifact.distances.cosine import unit_vectors
from artifact.distances.distance import COSINES, LENGTHS

CHUNK_BYTES = 64 * 1024 * 1024
"""Size of one chunk of distances."""

ROUNDING = 1e-13
"""Squared distances below this share of the squared lengths are rounding of the product, so equal vectors are at 0."""

TILE_COLUMNS = 4096
"""References in one product: its float64 result stays in the cache until it is float32."""


@dataclass(frozen=True, kw_only=True)
class References:
    """Vectors made ready to be the right side of a product.

    Attributes:
        distance: a name in artifact.distances.DISTANCES.
        centre: float64 [n], what is subtracted first; zeros for the cosine distance.
        wide: float64 [N, n + 2] (cosine: n + 1).
        floor: float64 [N], this row's part of the sum below which a result is rounding.
    """

    distance: str
    centre: Numbers
    wide: Numbers
    floor: Numbers

    @classmethod
    def of(cls, vectors: Vectors, distance: str) -> References:
        """References from float32 [N, n]; raises UsageError for an unknown distance."""
        check_distance(distance)
        centre = np.zeros(vectors.shape[1])
        if not DISTANCES[distance].of_directions and len(vectors):
            centre = vectors.mean(axis=0, dtype=np.float64)
        wide, floor = _widened(vectors, distance, centre, is_query=False)
        return cls(distance=distance, centre=centre, wide=wide, floor=floor)

    def __len__(self) -> int:
        return len(self.wide)

    def distances(self, queries: Vectors, *, out: Vectors | None = None, tile: Numbers | None = None) -> Vectors:
        """Distances from every query to every reference.

        Args:
            queries: float32 [Q, n].
            out: float32 [Q, N] to write to.
            tile: float64, at least Q x TILE_COLUMNS numbers, to work in.

        Returns:
            float32 [Q, N]; never negative; exactly 0 between equal vectors, but for the cosine distance of the zero
            vector, which is 1 to all.
        """
        wide, floor = _widened(queries, self.distance, self.centre, is_query=True)
        found = np.empty((len(queries), len(self)), np.float32) if out is None else out
        facts = DISTANCES[self.distance]
        if not found.size:
            return found
        tile = np.empty(len(queries) * min(TILE_COLUMNS, len(self))) if tile is None else tile
        for first in range(0, len(self), TILE_COLUMNS):
            part = slice(first, first + TILE_COLUMNS)
            right, right_floor = self.wide[part], self.floor[part]
            if facts.product is None:
                for query, row in zip(wide, found, strict=True):
                    row[part] = facts(query, right)
                continue
            product = tile[: len(queries) * len(right)].reshape(len(queries), len(right))
            np.matmul(wide, right.T, out=product)
            if product.min() < floor.max() + right_floor.max():  # seldom; spares two passes over the tile
                product[product < floor[:, None] + right_floor] = 0.0
            if facts.product == LENGTHS:
                np.sqrt(product, out=product)
            with np.errstate(over="ignore"):  # beyond float32 is infinitely far
                found[:, part] = product
        return found


def distance_chunks(queries: Vectors, references: Vectors, *, distance: str) -> Iterator[tuple[int, Vectors]]:
    """Distances from every query to every reference, in order, a chunk of queries at a time.

    In memory are one chunk, of up to CHUNK_BYTES, and a float64 copy of the references.

    Args:
        queries: float32 [Q, n].
        references: float32 [N, n].
        distance: a name in artifact.distances.DISTANCES.

    Yields:
        (first query row, float32 [rows, N]), see References.distances; the array is the caller's to change.

    Raises:
        UsageError: an unknown distance.
        DataError: vectors of different dims.
    """
    check_distance(distance)
    check_dims(queries, references)
    right = References.of(references, distance)
    rows = chunk_rows(len(references))
    for first in range(0, len(queries), rows):
        yield first, right.distances(queries[first : first + rows])


def chunk_rows(num_references: int) -> int:
    """Rows of float32 distances that fit in CHUNK_BYTES: at least 1, at most 256, enough for a fast product."""
    return min(256, max(1, CHUNK_BYTES // (4 * max(1, num_references))))


def _widened(vectors: Vectors, distance: str, centre: Numbers, *, is_query: bool) -> tuple[Numbers, Numbers]:
    """(columns, floor): the product of a query's and a reference's columns is their squared or cosine distance.

    |a - b|^2 = (-2a, |a|^2, 1) . (b, 1, |b|^2), and 1 - cos(a, b) = (-a, 1) . (b, 1) for vectors of length 1 (or of
    length 0: then every cosine is 0, as in the artifact). Of a distance that no product gives, the vectors themselves.
    """
    (rows, dim), product = vectors.shape, DISTANCES[distance].product
    if product is None:
        return vectors.astype(np.float64), np.zeros(rows)
    wide = np.ones((rows, dim + (1 if product == COSINES else 2)))
    moved = wide[:, :dim]
    np.subtract(vectors, centre, out=moved)
    if product == COSINES:
        unit_vectors(moved, out=moved)
        moved *= -1.0 if is_query else 1.0
        return wide, np.full(rows, ROUNDING / 2)
    squares = np.einsum("ij,ij->i", moved, moved)
    wide[:, dim if is_query else dim + 1] = squares
    moved *= -2.0 if is_query else 1.0
    return wide, ROUNDING * squares
