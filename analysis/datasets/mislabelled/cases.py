"""Labels to judge, each once: distinct vectors and the labels that their rows carry.

Decision a reader would question: rows of equal vectors are one vector here. Copies of one picture with the same wrong
label would else vote for each other, and a row's own copy says nothing new of its label. A vector stands for the label
of most of its rows; where two labels are equally many, it votes for none, and both are judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.datasets.exact_copies import distinct_vectors
from artifact.arrays import Flags, Indices, Vectors


@dataclass(frozen=True, kw_only=True)
class Cases:
    """U distinct vectors with M labels to judge, of L rows.

    Attributes:
        vectors: float32 [U, n].
        voted: int64 [U], the class that a vector stands for; -1 where its rows do not say.
        vector_of: int64 [M], the vector of a case.
        given: int64 [M], the class that its rows carry.
        of_row: int64 [L], the case of each row.
        num_classes: classes are 0 to num_classes - 1.
    """

    vectors: Vectors
    voted: Indices
    vector_of: Indices
    given: Indices
    of_row: Indices
    num_classes: int

    @property
    def disagreeing(self) -> Flags:
        """bool [M], whether a copy of the same vector carries another label."""
        return np.bincount(self.vector_of, minlength=len(self.vectors))[self.vector_of] > 1


def label_cases(vectors: Vectors, codes: Indices) -> Cases:
    """Cases of labelled rows.

    Args:
        vectors: float32 [L, n].
        codes: int64 [L], classes from 0, without gaps.
    """
    num_classes = int(codes.max()) + 1
    firsts, vector_of_row = distinct_vectors(vectors)
    if len(firsts) == len(vectors):
        rows = np.arange(len(vectors))
        return Cases(vectors=vectors, voted=codes, vector_of=rows, given=codes, of_row=rows, num_classes=num_classes)
    keys, of_row, sizes = np.unique(vector_of_row * num_classes + codes, return_inverse=True, return_counts=True)
    vector_of, given = np.divmod(keys, num_classes)
    return Cases(
        vectors=np.ascontiguousarray(vectors[firsts]),
        voted=_most_common(vector_of, given, sizes, len(firsts)),
        vector_of=vector_of,
        given=given,
        of_row=of_row.reshape(-1),
        num_classes=num_classes,
    )


def _most_common(vector_of: Indices, given: Indices, sizes: Indices, num_vectors: int) -> Indices:
    """The class of most rows of each vector, -1 where two are equally many."""
    order = np.lexsort((-sizes, vector_of))
    starts = np.searchsorted(vector_of[order], np.arange(num_vectors))
    voted: Indices = given[order[starts]].copy()
    seconds = starts + 1
    has_second = (seconds < len(order)) & (
        vector_of[order[np.minimum(seconds, len(order) - 1)]] == np.arange(num_vectors)
    )
    rows = np.flatnonzero(has_second)
    voted[rows[sizes[order[seconds[rows]]] == sizes[order[starts[rows]]]]] = -1
    return voted
