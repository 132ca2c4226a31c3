"""Two tables of vectors as one matrix, and which of their vectors are distinct.

Decision a reader would question: a vector counts once in each set that has it, however many rows hold it. Copies (one
picture saved twice, a frame that stands still) are not further draws, and a test that takes them for such finds
differences that are not there: of halves of one set, one of them with every row twice, it called every fifth pair
different at a level of 5 %. How many rows are copies is told beside the answer. `every_row` counts them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.neighbours.batches import checked_batches
from artifact.arrays import Flags, Indices, Vectors
from artifact.distances import DISTANCES
from artifact.distances.cosine import unit_vectors
from artifact.errors import DataError
from rows.vectors.table import VectorTable

SETS = ("A", "B")

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, kw_only=True)
class TwoSets:
    """The rows of A, then those of B; units are the distinct vectors of both.

    Attributes:
        vectors: float32 [N, n]; of length 1 for a distance of directions, else moved to their mean.
        is_b: bool [N].
        units: int64 [N], the unit of each row, numbered by first appearance.
        firsts: int64 [U], the first row of each unit.
        groups: int64 [U], equal for units of equal vectors, which there are where every row counts.
        in_a, in_b: bool [U], the sets that have it.
        counted: bool [N], the rows that count: the first of each unit in its set, or all.
        distance: a name in artifact.distances.DISTANCES.
    """

    vectors: Vectors
    is_b: Flags
    units: Indices
    firsts: Indices
    groups: Indices
    in_a: Flags
    in_b: Flags
    counted: Flags
    distance: str

    @property
    def num_rows(self) -> tuple[int, int]:
        """Rows of A and of B."""
        return int((~self.is_b).sum()), int(self.is_b.sum())

    @property
    def num_counted(self) -> tuple[int, int]:
        """Rows of A and of B that count."""
        return int((self.counted & ~self.is_b).sum()), int((self.counted & self.is_b).sum())

    @property
    def num_shared(self) -> int:
        """Distinct vectors that both sets have, whether or not every row counts."""
        return len(np.intersect1d(self.groups[self.in_a], self.groups[self.in_b]))

    def unit_vectors(self, units: Indices | slice) -> Vectors:
        """float32 [m, n] of some units; without a copy where every row is one and a slice is asked for."""
        rows = units if len(self.firsts) == len(self.vectors) else self.firsts[units]
        taken: Vectors = self.vectors[rows]
        return taken


def join_sets(a: VectorTable, b: VectorTable, *, distance: str, every_row: bool = False) -> TwoSets:
    """Read both tables into one matrix, which is all that stays in memory of them.

    Args:
        a, b: tables of one space, see rows.vectors.lineage.require_same_space.
        distance: a name in artifact.distances.DISTANCES.
        every_row: copies within a set count, each of them.

    Raises:
        DataError: vectors of different n, numbers that are not finite, or a set with fewer than 2 vectors that count.
    """
    if a.dim != b.dim:
        raise DataError("vectors", expected=f"{a.dim} dims as {a.source} has", got=str(b.dim), where=b.source)
    vectors = np.empty((a.num_rows + b.num_rows, a.dim), np.float32)
    for table, start in ((a, 0), (b, a.num_rows)):
        for batch in checked_batches(table):
            first = start + batch.first_row
            vectors[first : first + len(batch)] = batch.vectors
    is_b = np.arange(len(vectors)) >= a.num_rows
    distinct, of_distinct = distinct_rows(vectors)
    in_set = [np.bincount(of_distinct[side], minlength=len(distinct)) > 0 for side in (~is_b, is_b)]
    if every_row:
        units = firsts = np.arange(len(vectors))
        groups = of_distinct
        in_a, in_b = ~is_b, is_b
        counted = np.ones(len(vectors), bool)
    else:
        units, firsts, groups = of_distinct, distinct, np.arange(len(distinct))
        in_a, in_b = in_set
        counted = np.zeros(len(vectors), bool)
        for side in (np.flatnonzero(~is_b), np.flatnonzero(is_b)):
            counted[side[np.unique(units[side], return_index=True)[1]]] = True
    for name, table, found in zip(SETS, (a, b), in_set, strict=True):
        if found.sum() < 2:
            raise DataError(f"set {name}", expected="at least 2 different vectors", got="1", where=table.source)
    _prepare(vectors, distance)
    return TwoSets(
        vectors=vectors,
        is_b=is_b,
        units=units,
        firsts=firsts,
        groups=groups,
        in_a=in_a,
        in_b=in_b,
        counted=counted,
        distance=distance,
    )


def distinct_rows(vectors: Vectors) -> tuple[Indices, Indices]:
    """Rows that are equal, number by number; 0 and -0 are.

    They are found by a hash of 64 bits and then compared, so two rows that only share a hash stay apart.

    Args:
        vectors: float32 [N, n].

    Returns:
        (first row of each distinct vector int64 [U], rising; the distinct vector of each row int64 [N]).
    """
    factors = np.random.default_rng(0).integers(1 << 63, size=vectors.shape[1], dtype=np.uint64) | np.uint64(1)
    hashes = np.empty(len(vectors), np.uint64)
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        bits = (vectors[rows] + np.float32(0)).view(np.uint32).astype(np.uint64)
        bits ^= bits >> np.uint64(7)
        hashes[rows] = (bits * factors).sum(axis=1, dtype=np.uint64)
    _, firsts, units = np.unique(hashes, return_index=True, return_inverse=True)
    apart = [
        first + np.flatnonzero((vectors[first : first + _ROWS_AT_ONCE] != vectors[firsts[part]]).any(axis=1))
        for first in range(0, len(vectors), _ROWS_AT_ONCE)
        for part in [units[first : first + _ROWS_AT_ONCE]]
    ]
    strangers = np.concatenate(apart)  # rows whose hash is another vector's: units of their own
    if strangers.size:
        units[strangers] = len(firsts) + np.arange(len(strangers))
        firsts = np.append(firsts, strangers)
    order = np.argsort(firsts, kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    return firsts[order], number[units]


def _prepare(vectors: Vectors, distance: str) -> None:
    """In place: of length 1 for a distance of directions, else moved to the mean, where float32 has its digits."""
    if DISTANCES[distance].of_directions:
        unit_vectors(vectors, out=vectors)
        return
    vectors -= vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
