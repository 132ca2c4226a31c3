"""Two views of a label by the nearest vectors: their votes, and how near its own class begins.

Decisions a reader would question:
- A neighbour counts by a Gaussian of its distance, and by how much its own neighbours believe its label: a wrong label
  next to a right one does not drag that down with it.
- The votes are those of ten, whatever the size of the classes: what three of a class cannot say, the views by classes
  do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.search.graph import NeighbourGraph
from artifact.arrays import Flags, Indices, Numbers, Vectors
from artifact.distances import DISTANCES
from artifact.distances.distance import COSINES, SQUARES

NUM_VOTES = 10
NUM_NEIGHBOURS = 20
"""Among which the nearest of the given class and of another are looked for."""

_PRIOR = 0.5
"""Votes that the share of a class in all vectors counts as."""

_ROUNDS = 2
_FARTHEST = 3.0
_BLOCK = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The neighbours of U vectors, ready to vote.

    Attributes:
        rows: int [U, K], nearest first.
        lengths: float32 [U, K], how far they are, as a length (the root of a squared or cosine distance).
        weights: float32 [U, min(K, NUM_VOTES)], what their votes count by distance alone.
    """

    rows: npt.NDArray[np.integer]
    lengths: Vectors
    weights: Vectors

    @classmethod
    def of(cls, graph: NeighbourGraph) -> Neighbours:
        """Those of a graph of the distinct vectors."""
        is_square = DISTANCES[graph.distance].product in (SQUARES, COSINES)
        lengths = np.sqrt(np.maximum(graph.distances, 0)) if is_square else graph.distances
        voting = lengths[:, :NUM_VOTES]
        scale = np.maximum(voting[:, -1:], np.finfo(np.float32).tiny)
        return cls(rows=graph.rows, lengths=lengths, weights=np.exp(-np.square(voting / scale)))

    def votes(self, voted: Indices, trust: Vectors, at: Indices) -> tuple[Indices, Vectors]:
        """Classes int64 [m, k] and weights float32 [m, k] of the votes about some vectors; -1 counts nothing."""
        rows = self.rows[at, :NUM_VOTES]
        return voted[rows], self.weights[at] * trust[rows]


def trust_of(neighbours: Neighbours, voted: Indices, shares: Vectors) -> Vectors:
    """How much the neighbours of each vector believe its class: float32 [U] in [0, 1], 0 for what has none.

    Args:
        voted: int64 [U], -1 for no class.
        shares: float32 [C], of the classes in all vectors.
    """
    trust = (voted >= 0).astype(np.float32)
    for _ in range(_ROUNDS):
        found = np.zeros_like(trust)
        for first in range(0, len(voted), _BLOCK):
            at = np.arange(first, min(first + _BLOCK, len(voted)))
            classes, weights = neighbours.votes(voted, trust, at)
            found[at] = _belief(classes, weights, voted[at], shares)
        trust = np.where(voted >= 0, found, np.float32(0))
    return trust


@dataclass(frozen=True, kw_only=True)
class NeighbourViews:
    """Of m cases.

    Attributes:
        votes: float64 [m], -log of the share of the votes that the given class has.
        nearest: float64 [m], log of how much farther the nearest of the given class is than the nearest of another.
        proposed: int64 [m], the other class with most votes; -1 where all are for the given one.
    """

    votes: Numbers
    nearest: Numbers
    proposed: Indices


def neighbour_views(
    neighbours: Neighbours, voted: Indices, vector_of: Indices, given: Indices, shares: Vectors
) -> NeighbourViews:
    """Judge cases.

    Args:
        voted: int64 [U], the class that each vector stands for, or -1.
        vector_of, given: int64 [m], vector and class of the cases.
        shares: float32 [C].
    """
    trust = trust_of(neighbours, voted, shares)
    votes, nearest = np.empty(len(given)), np.empty(len(given))
    proposed = np.empty(len(given), np.int64)
    for first in range(0, len(given), _BLOCK):
        part = slice(first, first + _BLOCK)
        at, asked = vector_of[part], given[part]
        classes, weights = neighbours.votes(voted, trust, at)
        votes[part] = -np.log(_belief(classes, weights, asked, shares))
        proposed[part] = _other(classes, weights, asked)
        around = voted[neighbours.rows[at]]
        own = _first_length(neighbours.lengths[at], around == asked[:, None])
        other = _first_length(neighbours.lengths[at], (around != asked[:, None]) & (around >= 0))
        tiny = np.finfo(np.float32).tiny
        nearest[part] = np.log((own + tiny) / (other + tiny)).clip(-_FARTHEST, _FARTHEST)
    return NeighbourViews(votes=votes, nearest=nearest, proposed=proposed)


def _belief(classes: Indices, weights: Vectors, asked: Indices, shares: Vectors) -> Vectors:
    """Share of the votes for the classes asked about, float32 [m], never 0."""
    agreeing = np.where(classes == asked[:, None], weights, 0).sum(axis=1)
    total = np.where(classes >= 0, weights, 0).sum(axis=1)
    belief: Vectors = (agreeing + _PRIOR * shares[asked]) / (total + np.float32(_PRIOR))
    return belief


def _other(classes: Indices, weights: Vectors, asked: Indices) -> Indices:
    """The class of most votes that is not the one asked about; -1 where there is none."""
    for_each = np.where(classes[:, :, None] == classes[:, None, :], weights[:, None, :], 0).sum(axis=2)
    for_each[(classes == asked[:, None]) | (classes < 0)] = -1
    best = for_each.argmax(axis=1)
    rows = np.arange(len(asked))
    return np.where(for_each[rows, best] >= 0, classes[rows, best], -1)


def _first_length(lengths: Vectors, wanted: Flags) -> Vectors:
    """How far the first wanted neighbour is; where there is none, as far as the last of all."""
    at = np.where(wanted.any(axis=1), wanted.argmax(axis=1), lengths.shape[1] - 1)
    found: Vectors = lengths[np.arange(len(lengths)), at]
    return found
