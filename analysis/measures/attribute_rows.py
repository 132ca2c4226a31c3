"""Rows of attributes with their vectors, and which values count as the same.

Values of all types stand in one float64 array: a flag is 0 or 1, a category its number, a number itself; NaN is a
missing value of an image, and an attribute that a row of attributes does not ask for.

Decision a reader would question: a number is the one asked for where both are at most half a standard deviation apart.
Exactly equal numbers are rare, and a number that training moved by a whole one to make a hard negative is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artifact.arrays import Flags, Indices, Numbers, Vectors

HALF_SCALE = 0.5
"""Of a number's standard deviation."""


@dataclass(frozen=True, kw_only=True)
class AttributeRows:
    """Vectors of rows of attributes, and what they ask for.

    Attributes:
        vectors: float32 [Q, n].
        values: float64 [Q, A], NaN for an attribute that is not asked for.
    """

    vectors: Vectors
    values: Numbers

    def __len__(self) -> int:
        return len(self.values)

    def taken(self, rows: Indices) -> AttributeRows:
        """Some of the rows."""
        return AttributeRows(vectors=self.vectors[rows], values=self.values[rows])

    def distinct(self) -> AttributeRows:
        """The first of all rows that ask for the same, in order."""
        filled = np.where(np.isnan(self.values), np.inf, self.values)  # NaN is not equal to itself
        return self.taken(np.sort(np.unique(filled, axis=0, return_index=True)[1]))

    def whole(self) -> AttributeRows:
        """Those that ask for all attributes."""
        return self.taken(np.flatnonzero(~np.isnan(self.values).any(axis=1)))

    def and_more(self, others: AttributeRows) -> AttributeRows:
        """These, then those."""
        vectors = np.concatenate([self.vectors, others.vectors])
        return AttributeRows(vectors=vectors, values=np.concatenate([self.values, others.values]))


def number_tolerances(values: Numbers, are_numbers: Sequence[bool]) -> Numbers:
    """float64 [A]: HALF_SCALE of the spread of each number among float64 [N, A], 0 for flags and categories."""
    found = np.zeros(values.shape[1])
    for at in np.flatnonzero(are_numbers):
        known = values[~np.isnan(values[:, at]), at]
        found[at] = HALF_SCALE * known.std() if len(known) else 0.0
    return found


def has_all(asked: Numbers, values: Numbers, tolerances: Numbers) -> Flags:
    """Which rows of values, float64 [N, A], have all that one row asks for, float64 [A] with NaN for what it does not.

    Returns:
        bool [N]; a missing value is never what was asked for.
    """
    has = np.ones(len(values), bool)
    for at in np.flatnonzero(~np.isnan(asked)):
        has &= np.abs(values[:, at] - asked[at]) <= tolerances[at]
    return has


def num_different(rows: Numbers, values: Numbers, tolerances: Numbers) -> Indices:
    """int64 [Q]: in how many attributes each row of float64 [Q, A] differs from one of [A]; all values known."""
    different: Indices = (np.abs(rows - values) > tolerances).sum(axis=1)
    return different
