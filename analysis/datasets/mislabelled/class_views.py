"""Two views of a label by the classes as wholes: a ridge classifier, and the centres of the classes.

Both are those without the vector that is judged, in closed form:
- ridge regression to one target a class: the prediction without row i is (F - h y) / (1 - h), h its leverage
  (Allen 1974, "The relationship between variable selection and data augmentation", the PRESS statistic);
- the distance to the mean of n vectors without one of them is n / (n - 1) times that to the mean of all.

Decision a reader would question: margin and difference of distances are not brought into [0, 1]. What lies deep in
another class is more suspect than what lies between two, and a probability that is 1 for both cannot tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.datasets.mislabelled.class_sums import Classes, Frame
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Indices, Numbers, Vectors

SHRINKAGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of the ridge, as shares of the mean variance; the one of least leave-one-out error is taken."""

_CHOOSING_ROWS = 2000
_NEVER = 1e30
_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class ClassViews:
    """Of m cases.

    Attributes:
        ridge: float64 [m], by how much the best other class beats the given one.
        centres: float64 [m], how much farther the centre of the given class is than that of the nearest other, in
            units of the frame's scale.
        by_ridge, by_centres: int64 [m], those other classes.
    """

    ridge: Numbers
    centres: Numbers
    by_ridge: Indices
    by_centres: Indices


def class_views(
    frame: Frame,
    classes: Classes,
    shrinkage: float,
    vectors: Vectors,
    voted: Indices,
    vector_of: Indices,
    given: Indices,
) -> ClassViews:
    """Judge cases whose classes have another vector each (`is_judged`), where there are two classes at least.

    Args:
        shrinkage: of the ridge, see `choose_shrinkage`.
        vectors, voted: float32 [U, n] and int64 [U].
        vector_of, given: int64 [m].
    """
    num = len(given)
    ridge, centres = np.empty(num), np.empty(num)
    by_ridge, by_centres = np.empty(num, np.int64), np.empty(num, np.int64)
    solved = _Solved.of(frame, classes, shrinkage)
    size = max(1, _BLOCK_VALUES // len(classes.sizes))
    for first in range(0, num, size):
        part = slice(first, first + size)
        moved = _with_one(vectors[vector_of[part]] - frame.mean)
        own, asked = voted[vector_of[part]], given[part]
        costs, left = solved.against(moved, own)
        given_cost, other_cost, by_ridge[part] = _cheapest_other(costs, asked)
        ridge[part] = (given_cost - other_cost) / left
        costs, squares = solved.squared(moved, own)
        given_cost, other_cost, by_centres[part] = _cheapest_other(costs, asked)
        centres[part] = _root(given_cost + squares) - _root(other_cost + squares)
    return ClassViews(ridge=ridge, centres=centres / (frame.scale or 1.0), by_ridge=by_ridge, by_centres=by_centres)


@dataclass(frozen=True, kw_only=True)
class _Solved:
    """The ridge classifier and the centres, and what takes one vector out of them again.

    Products are all that is done to a matrix of [m, C]: constants are one more row of the right side, and what is the
    same for all classes of a vector is left for those two that are picked.
    """

    against_rows: Vectors  # [n + 1, C]
    whitening: Vectors  # [n + 1, n]
    squared_rows: Vectors  # [n + 1, C]
    sizes: Indices
    num_vectors: int

    @classmethod
    def of(cls, frame: Frame, classes: Classes, shrinkage: float) -> _Solved:
        penalised = frame.variances + shrinkage * frame.variances.mean()
        penalised = np.where(penalised > 0, penalised, np.inf)
        coefficients = (frame.axes / penalised) @ (frame.axes.T @ classes.sums.T)
        shares = np.where(classes.sizes > 0, classes.sizes / classes.num_vectors, -_NEVER)
        centres = classes.sums / np.maximum(classes.sizes, 1)[:, None]
        squares = np.where(classes.sizes > 0, np.square(centres).sum(axis=1), _NEVER)
        return cls(
            against_rows=-np.vstack([coefficients, shares]).astype(np.float32),
            whitening=np.vstack([frame.axes / np.sqrt(penalised), np.zeros(len(penalised))]).astype(np.float32),
            squared_rows=np.vstack([-2 * centres.T, squares]).astype(np.float32),
            sizes=classes.sizes,
            num_vectors=classes.num_vectors,
        )

    def against(self, moved: Vectors, own: Indices) -> tuple[Vectors, Vectors]:
        """What speaks against every class for each vector, without that vector.

        Returns:
            float32 [m, C] and [m]: less the one over the other is the prediction of the classifier. _NEVER and more for
            a class of none.
        """
        costs: Vectors = moved @ self.against_rows
        leverage = np.square(moved @ self.whitening).sum(axis=1) + np.float32(1 / self.num_vectors)
        at = np.flatnonzero(own >= 0)
        costs[at, own[at]] += leverage[at]
        return costs, np.maximum(1 - leverage, np.float32(1e-6))

    def squared(self, moved: Vectors, own: Indices) -> tuple[Vectors, Vectors]:
        """How far the centre of every class is from each vector, without that vector.

        Returns:
            float32 [m, C] and [m]: their sum is the square of the distance. _NEVER and more for a class of none.
        """
        costs: Vectors = moved @ self.squared_rows
        squares = np.square(moved[:, :-1]).sum(axis=1)
        at = np.flatnonzero(own >= 0)
        sizes = self.sizes[own[at]]
        farther = np.square(sizes / np.maximum(sizes - 1, 1)).astype(np.float32)
        without = (costs[at, own[at]] + squares[at]) * farther - squares[at]
        costs[at, own[at]] = np.where(sizes > 1, without, np.float32(_NEVER))
        return costs, squares


def choose_shrinkage(
    frame: Frame, classes: Classes, vectors: Vectors, voted: Indices, rng: np.random.Generator
) -> float:
    """The shrinkage of least squared leave-one-out error, on a sample of the vectors."""
    rows = sample_rows(len(vectors), _CHOOSING_ROWS, rng)
    moved, own = _with_one(vectors[rows] - frame.mean), voted[rows]
    at = np.flatnonzero(own >= 0)
    errors = []
    for shrinkage in SHRINKAGES:
        costs, left = _Solved.of(frame, classes, shrinkage).against(moved, own)
        predicted = -costs / left[:, None]
        predicted[:, classes.sizes == 0] = 0
        predicted[at, own[at]] -= 1
        errors.append(float(np.square(predicted, dtype=np.float64).sum()))
    return SHRINKAGES[int(np.argmin(errors))]


def _cheapest_other(costs: Vectors, given: Indices) -> tuple[Vectors, Vectors, Indices]:
    """Cost of the given class, of the cheapest other, and which that is; changes `costs`."""
    rows = np.arange(len(given))
    own = costs[rows, given].copy()
    costs[rows, given] = np.inf
    best: Indices = costs.argmin(axis=1)
    return own, costs[rows, best], best


def _with_one(moved: Vectors) -> Vectors:
    """float32 [m, n + 1], the last column 1."""
    return np.column_stack([moved, np.ones(len(moved), np.float32)])


def _root(squares: Vectors) -> Vectors:
    found: Vectors = np.sqrt(np.maximum(squares, 0))
    return found
