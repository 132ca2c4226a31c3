"""A search index of codes: inverted lists that hold a code of each vector, and the vectors themselves in a file.

The codes say which rows may be near; their vectors are read, and compared, before anything is answered. So the rows
found are approximate and every distance is exact. What search_index and the measures of recall need of an index is
here.

Decision a reader would question: how many candidates are compared again is a number measured for ten neighbours when
the index was built, and grows with the neighbours asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.measures.index_recall import ExactDistances
from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.nearest import EXTRA_CANDIDATES
from artifact.arrays import Indices, Vectors
from artifact.distances import DISTANCES

DEPTH = 10
"""Neighbours for which the number of candidates is told."""

_RESCORED_VALUES = 1 << 20
"""Numbers of candidates that are read at once: 4 MiB."""


class CodedIndex:
    """Lists of codes and the vectors that they stand for.

    Args:
        codes: faiss inverted lists, or a rotation and then those; as FILE holds it.
        vectors: float32 [N, n], prepared, by row; may lie in a file.
        candidates: rows whose vectors are compared for the nearest ten.
    """

    def __init__(self, codes: Any, vectors: Vectors, *, candidates: int = DEPTH) -> None:
        faiss = load_faiss()

        self.codes, self.vectors, self.candidates = codes, vectors, candidates
        self.lists: Any = faiss.downcast_index(faiss.extract_index_ivf(codes))
        chain = getattr(codes, "chain", None)
        self._rotation: Any = None if chain is None else faiss.downcast_VectorTransform(chain.at(0))
        self.d, self.ntotal, self.metric_type = int(codes.d), int(codes.ntotal), int(self.lists.metric_type)
        self.nlist, self.nprobe = int(self.lists.nlist), int(self.lists.nprobe)
        self.invlists, self.code_size = self.lists.invlists, int(self.lists.code_size)

    def set_nprobe(self, nprobe: int) -> None:
        """How many lists a query looks into from now on; FILE says so too."""
        self.nprobe = self.lists.nprobe = nprobe

    def search(self, queries: Vectors, k: int, *, params: Any = None) -> tuple[Vectors, Indices]:
        """The k best rows by their vectors, of the candidates that the codes give.

        Args:
            queries: float32 [Q, n], prepared.
            k: at most N.
            params: faiss' search parameters; of them `nprobe` is taken.

        Returns:
            (faiss' values float32 [Q, k], the best first; rows int64 [Q, k], the lower of equal ones first, -1 where
            the lists looked into hold no more).
        """
        faiss = load_faiss()

        share = max(1.0, (k - EXTRA_CANDIDATES) / DEPTH)
        wanted = min(self.ntotal, max(k, round(self.candidates * share)))
        nprobe = self.nprobe if params is None else params.nprobe
        is_l2 = self.metric_type == faiss.METRIC_L2
        values, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        size = max(1, _RESCORED_VALUES // (wanted * self.d))
        found = self.candidates_of(queries, wanted, nprobe=nprobe)
        for first in range(0, len(queries), size):
            asked, part = queries[first : first + size, None, :], found[first : first + size]
            vectors = self.reconstruct_batch(np.maximum(part, 0).reshape(-1)).reshape(*part.shape, self.d)
            if is_l2:
                vectors -= asked
                apart = np.einsum("qcd,qcd->qc", vectors, vectors)
            else:
                apart = -np.einsum("qcd,qcd->qc", vectors, np.broadcast_to(asked, vectors.shape))
            apart[part < 0] = np.inf
            order = np.lexsort((part, apart), axis=1)[:, :k]
            values[first : first + size] = np.take_along_axis(apart, order, axis=1)
            rows[first : first + size] = np.take_along_axis(part, order, axis=1)
        return values if is_l2 else -values, rows

    def candidates_of(self, queries: Vectors, wanted: int, *, nprobe: int) -> Indices:
        """int64 [Q, wanted]: rows by their codes, the likely nearest first, -1 where there are no more."""
        faiss = load_faiss()

        parameters = faiss.IVFSearchParameters()
        parameters.nprobe = nprobe
        search: Any = getattr(self.lists, "search_numpy", self.lists.search)
        _, found = search(self._rotated(queries), wanted, params=parameters)
        rows: Indices = found
        return rows

    def lists_by_nearness(self, vectors: Vectors, count: int) -> Indices:
        """int64 [m, count]: numbers of the lists whose centres are nearest to each vector."""
        numbers: Indices = self.lists.quantizer.search(self._rotated(vectors), count)[1]
        return numbers

    def reconstruct_batch(self, rows: Indices) -> Vectors:
        """float32 [m, n]: the vectors of some rows."""
        vectors: Vectors = np.array(self.vectors[rows], np.float32)
        return vectors

    def _rotated(self, queries: Vectors) -> Vectors:
        queries = np.ascontiguousarray(queries)
        if self._rotation is None:
            return queries
        rotated: Vectors = self._rotation.apply(queries)
        return rotated


def least_lists(index: CodedIndex, exact: ExactDistances, coverage: float) -> int:
    """The fewest lists that hold this share of the true neighbours of the queries."""
    nlist = index.nlist
    places = np.empty(exact.nearest_rows.shape, np.int64)
    near = exact.nearest_rows
    own = index.lists_by_nearness(index.reconstruct_batch(near.reshape(-1)), 1).reshape(near.shape)
    size = max(1, (1 << 22) // nlist)
    for first in range(0, len(near), size):
        order = index.lists_by_nearness(exact.queries[first : first + size], nlist)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(nlist)[None, :], axis=1)
        places[first : first + size] = np.take_along_axis(rank, own[first : first + size], axis=1)
    ordered = np.sort(places, axis=None)
    return int(ordered[min(len(ordered), int(np.ceil(coverage * len(ordered)))) - 1]) + 1


def least_candidates(index: CodedIndex, exact: ExactDistances, recall: float, *, distance: str, most: int) -> int:
    """The fewest candidates among which the nearest are found with this recall; those looked at where none are enough.

    Looked at are twice as many from time to time, to `most` or all rows.
    """
    wanted = min(index.ntotal, 128)
    while True:
        size = max(1, _RESCORED_VALUES // (wanted * index.d))
        found = index.candidates_of(exact.queries, wanted, nprobe=index.nprobe)
        apart = np.empty(found.shape, np.float32)
        for first in range(0, len(found), size):
            part = found[first : first + size]
            vectors = index.reconstruct_batch(np.maximum(part, 0).reshape(-1)).reshape(*part.shape, index.d)
            apart[first : first + size] = DISTANCES[distance](exact.queries[first : first + size, None, :], vectors)
        is_other = (found >= 0) & (found != exact.rows[:, None])
        near = exact.is_near(apart) & is_other
        hits = np.minimum(np.cumsum(near, axis=1), exact.k).mean(axis=0) / exact.k
        enough = np.flatnonzero(hits >= recall)
        if enough.size:
            return int(enough[0]) + 1
        if wanted >= min(index.ntotal, most):
            return wanted
        wanted = min(index.ntotal, most, 4 * wanted)
