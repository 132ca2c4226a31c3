"""k-reciprocal encoding: each row as weights on those rows that it finds near and that find it near.

Zhong, Zheng, Cao, Li, "Re-ranking Person Re-identification with k-reciprocal Encoding" (2017). Two pictures of one
thing share most of those they are near to; so the rows are ordered by
(1 - LAMBDA) x Jaccard distance of the encodings + LAMBDA x distance.

Decisions a reader would question (docs/decisions/0049-re-ranking.md):
- Distances are squared and divided by one scale for all rows, the mean over a sample of the largest distance of each.
  The authors' program divides the distances of a query by the largest of that query, which a search through an index
  never sees.
- Half of the paper's neighbours. Theirs lose recall@1 where a class has five or ten pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.neighbours.samples import sample_rows
from artifact.arrays import Indices, Numbers, Vectors
from artifact.distances import DISTANCES
from artifact.distances.distance import COSINES, SQUARES

K1, K2, LAMBDA = 10, 3, 0.3
"""Neighbours that count, those whose encodings are averaged, and the part of the plain distance; in the paper 20, 6,
0.3."""

_ROWS_AT_ONCE = 1024
_SCALE_ROWS = 1000
_ROUNDING = 1e-9

NeighboursOf = Callable[[Indices], Indices]
"""int64 [m] rows -> int64 [m, k1 + 1]: each row itself, then its k1 nearest others."""

SquaresOf = Callable[[Indices, Indices], Numbers]
"""Two int64 [m] of rows -> [m] squared distances."""


@dataclass(frozen=True, kw_only=True)
class Encodings:
    """Sparse encodings of some rows.

    Attributes:
        starts: int64 [m + 1]: where each begins in the other two.
        rows: int64 [s], rising within each.
        weights: float32 [s], of a sum of 1 within each.
    """

    starts: Indices
    rows: Indices
    weights: Vectors

    @classmethod
    def of_keys(cls, keys: Indices, weights: Numbers, num: int, num_rows: int) -> Encodings:
        """From rising keys (number x num_rows + row); weights are divided by their sum."""
        owners, rows = keys // num_rows, keys % num_rows
        sums = np.bincount(owners, weights=weights, minlength=num)
        starts = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=num))])
        return cls(starts=starts, rows=rows, weights=(weights / sums[owners]).astype(np.float32))

    def taken(self, numbers: Indices) -> tuple[Indices, Indices, Vectors]:
        """Some of them one after another: (which of `numbers`, rows, weights), each [s]."""
        first, count = self.starts[numbers], np.diff(self.starts)[numbers]
        owners = np.repeat(np.arange(len(numbers)), count)
        places = np.arange(len(owners)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
        return owners, self.rows[places], self.weights[places]


def encode(
    rows: Indices,
    neighbours_of: NeighboursOf,
    squares_of: SquaresOf,
    *,
    num_rows: int,
    scale: float,
    k2: int = K2,
) -> Encodings:
    """Encodings of some rows, each the mean of those of its k2 nearest, itself the first of them.

    Args:
        rows: int64 [m].
        neighbours_of: knows every row that it names itself.
        squares_of: of rows.
        num_rows: all that there are.
        scale: by which squared distances are divided.
    """
    averaged = neighbours_of(rows)[:, :k2]
    known = np.unique(averaged)
    plain = _joined(
        [
            _encoded(known[first : first + _ROWS_AT_ONCE], neighbours_of, squares_of, num_rows, scale)
            for first in range(0, len(known), _ROWS_AT_ONCE)
        ]
    )
    means = []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = averaged[first : first + _ROWS_AT_ONCE]
        owners, columns, weights = plain.taken(np.searchsorted(known, part.reshape(-1)))
        keys, back = np.unique(owners // part.shape[1] * num_rows + columns, return_inverse=True)
        sums: Numbers = np.zeros(len(keys))
        np.add.at(sums, back.reshape(-1), weights)
        means.append(Encodings.of_keys(keys, sums, len(part), num_rows))
    return _joined(means)


def scale_of(sample: Vectors) -> float:
    """The mean largest squared distance of some rows from each other; 1 where all are the same.

    Args:
        sample: float32 [m, n], of the rows of `scale_rows`, prepared (analysis.neighbours.nearest).
    """
    wide = sample.astype(np.float64)
    wide -= wide.mean(axis=0)
    norms = (wide**2).sum(axis=1)
    largest = float((norms[:, None] + norms - 2 * wide @ wide.T).max(axis=1).mean())
    return largest if largest > _ROUNDING * float(norms.max()) and largest > 0 else 1.0


def scale_rows(num_rows: int) -> Indices:
    """int64 [m]: the rows on which `scale_of` rests."""
    return sample_rows(num_rows, _SCALE_ROWS, np.random.default_rng(0))


def as_squares(distances: Vectors, distance: str) -> Numbers:
    """Squared distances of prepared vectors, float64, from distances that an index knows."""
    wide = distances.astype(np.float64)
    product = DISTANCES[distance].product
    if product == COSINES:
        return 2 * wide
    return wide if product == SQUARES else wide**2


def _joined(parts: list[Encodings]) -> Encodings:
    starts = np.concatenate([[0], *(np.diff(part.starts) for part in parts)]).cumsum()
    rows, weights = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "weights"))
    return Encodings(starts=starts, rows=rows, weights=weights)


def _encoded(
    rows: Indices, neighbours_of: NeighboursOf, squares_of: SquaresOf, num_rows: int, scale: float
) -> Encodings:
    """Weights exp(-squared distance / scale) on the expanded k-reciprocal neighbours of each row (the paper's R*)."""
    near = neighbours_of(rows)  # [m, K]
    m, k = near.shape
    half = round((k - 1) / 2) + 1
    back = neighbours_of(near.reshape(-1)).reshape(m, k, k)
    is_mutual = (back == rows[:, None, None]).any(axis=2)
    theirs = back[:, :, :half]  # [m, K, half]: the nearest half of each neighbour
    further = neighbours_of(theirs.reshape(-1))[:, :half].reshape(m, k, half, half)
    is_theirs = (further == near[:, :, None, None]).any(axis=3) & is_mutual[:, :, None]
    mutual = np.where(is_mutual, near, -1)
    is_shared = (theirs[:, :, :, None] == mutual[:, None, None, :]).any(axis=3) & is_theirs
    is_taken = is_shared.sum(axis=2) > 2 / 3 * is_theirs.sum(axis=2)
    is_theirs &= is_taken[:, :, None]
    own, theirs_of = np.nonzero(is_mutual)[0], np.nonzero(is_theirs)[0]
    keys = np.unique(np.concatenate([own * num_rows + near[is_mutual], theirs_of * num_rows + theirs[is_theirs]]))
    weights = np.exp(-squares_of(rows[keys // num_rows], keys % num_rows) / scale)
    return Encodings.of_keys(keys, weights, m, num_rows)


def shared_weight(one: tuple[Indices, Vectors], others: Encodings) -> Numbers:
    """float64 [m]: how much of the weight of one encoding (rows rising, weights) each of the others shares."""
    rows, weights = one
    owners, columns, theirs = others.taken(np.arange(len(others.starts) - 1))
    place = np.minimum(np.searchsorted(rows, columns), len(rows) - 1)
    shared = np.where(rows[place] == columns, np.minimum(weights[place], theirs), 0)
    sums: Numbers = np.zeros(len(others.starts) - 1)
    np.add.at(sums, owners, shared)
    return sums


def reranked_distances(shared: Numbers, squares: Numbers, scale: float) -> Numbers:
    """By which rows are ordered: from the weight that two encodings share, and their squared distance."""
    return (1 - LAMBDA) * (1 - shared / (2 - shared)) + LAMBDA * squares / scale
