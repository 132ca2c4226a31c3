"""How far rows are from what is labelled already, and the pool that a method chooses from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.neighbours.nearest import search_index
from analysis.neighbours.pairwise import distance_chunks
from analysis.search.graph import GRAPH_RECALL
from analysis.search.index_kinds import AUTO, INDEX_KINDS, choose_kind
from artifact.arrays import Indices, Vectors
from rows.vectors.table import VectorTable


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Rows to choose from, and those that are labelled.

    Attributes:
        vectors: float32 [P, n], no two of them equal, and none equal to a labelled one.
        labelled: float32 [L, n]; L may be 0.
        distance: a name in artifact.distances.DISTANCES.
        seed: of samples and indexes.
    """

    vectors: Vectors
    labelled: Vectors
    distance: str
    seed: int

    def from_labelled(self, rows: Indices) -> Vectors:
        """Distance of some rows, int64 [m], to the nearest labelled one: float32 [m]; inf where nothing is labelled.

        Exact up to a quarter of a million labelled rows of 128 dims; beyond, by inverted lists that find the nearest of
        99 % (the distance that is found instead is little larger).
        """
        if not len(self.labelled):
            return np.full(len(rows), np.inf, np.float32)
        return distances_to(self.labelled, self.vectors[rows], distance=self.distance, seed=self.seed)

    def before(self, chosen: Indices) -> Vectors:
        """How far each chosen row is from what is labelled and from those before it: float32 [m], inf for nothing."""
        nearest = self.from_labelled(chosen)
        vectors = self.vectors[chosen]
        for first, apart in distance_chunks(vectors, vectors, distance=self.distance):
            rows = np.arange(first, first + len(apart))
            apart[np.arange(len(chosen)) >= rows[:, None]] = np.inf
            nearest[rows] = np.minimum(nearest[rows], apart.min(axis=1))
        return nearest


def distances_to(references: Vectors, queries: Vectors, *, distance: str, seed: int = 0) -> Vectors:
    """Distance of each query to the nearest reference, float32 [Q]."""
    table = VectorTable.from_arrays(references)
    kind = choose_kind(AUTO, table.num_rows, table.dim)
    index, _ = INDEX_KINDS[kind](table, distance, recall=GRAPH_RECALL, seed=seed)
    origin = np.zeros(table.dim, np.float32)
    found, _ = search_index(index, index.reconstruct_batch, queries, 1, distance=distance, centre=origin)
    return found[:, 0]
