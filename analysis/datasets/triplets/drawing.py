"""Triplets drawn from buffers of classes: a query, a positive of its class, and a negative of its class or another.

Wang et al. 2014: queries are uniform over what is kept; positives are drawn by their relevance to the query,
none counting for more than T_p; negatives within the class likewise, but less relevant than the positive by T_r at
least; those of other classes, which are not relevant at all, uniformly.

Decisions a reader would question:
- The paper draws a positive and a negative and rejects them where they are in the wrong order, until they are not.
  Here such pairs are drawn in one step, each as likely as it is among those that the paper keeps. A query that has no
  pair in the right order gets a negative of another class; the share that is left is told.
- A class's relevance is worked out twice, to see which of its images can ask and to draw, and never kept: that of all
  classes takes the square of a buffer for each, 6 GB of 4,096 classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.datasets.triplets.buffers import Buffers, Relevance, distances_between, relevance
from artifact.arrays import Flags, Indices
from artifact.errors import DataError

MOST_RELEVANT = 0.8
"""T_p: what is more relevant is drawn no more often for it."""

_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Triplets.

    Attributes:
        rows: int64 [T, 3], of query, positive and negative.
        in_class: bool [T], whether the negative is of the query's class.
    """

    rows: Indices
    in_class: Flags


def draw_triplets(
    buffers: Buffers, *, count: int, in_class: float, gap: float, distance: str, random: np.random.Generator, where: str
) -> Drawn:
    """Draw triplets in a random order.

    Args:
        buffers: filled.
        count: how many.
        in_class: share of negatives that are of the query's class, 0 to 1.
        gap: T_r, how much less relevant than the positive these are at least.
        distance: that relevance is measured by.
        random: decides everything.
        where: the images, for messages.

    Raises:
        DataError: no two different images of one class beside a third of another.
    """
    kept = np.array([buffers.kept(label) for label in range(len(buffers.seen))])
    flat = np.concatenate([buffers.rows[label, :most] for label, most in enumerate(kept.tolist())])
    starts = np.concatenate([[0], np.cumsum(kept)])
    can_ask = np.zeros(len(flat), bool)
    for label in np.flatnonzero(kept > 1).tolist():
        within = _Within(_relevance_within(buffers, label, int(kept[label]), distance), gap)
        can_ask[starts[label] : starts[label + 1]] = within.weights.any(axis=1)
    if not can_ask.any() or (kept > 0).sum() < 2:
        raise DataError(
            "images to draw triplets from",
            expected="two different ones of one class, and one of another",
            got=f"{int((kept > 0).sum())} classes without such",
            where=where,
        )
    queries = np.sort(random.choice(np.flatnonzero(can_ask), count))
    wants_own = random.random(count) < in_class
    positives, negatives = np.empty(count, np.int64), np.empty(count, np.int64)
    is_own = np.zeros(count, bool)
    bounds = np.searchsorted(queries, starts)
    for label in np.flatnonzero(np.diff(bounds)).tolist():
        within = _Within(_relevance_within(buffers, label, int(kept[label]), distance), gap)
        for first in range(int(bounds[label]), int(bounds[label + 1]), _AT_ONCE):
            chosen = np.arange(first, min(first + _AT_ONCE, int(bounds[label + 1])))
            positive, negative = within.draw(queries[chosen] - starts[label], wants_own[chosen], random)
            others = _other(starts[label], starts[label + 1], len(flat), len(chosen), random)
            is_own[chosen] = negative >= 0
            positives[chosen] = flat[starts[label] + positive]
            negatives[chosen] = flat[np.where(negative >= 0, starts[label] + negative, others)]
    order = random.permutation(count)
    rows = np.stack([flat[queries], positives, negatives], axis=1)
    return Drawn(rows=rows[order], in_class=is_own[order])


def _relevance_within(buffers: Buffers, label: int, kept: int, distance: str) -> Relevance:
    """float64 [kept, kept]; -1 for an image with itself, and of two that are equal."""
    features = buffers.features[label, :kept]
    distances = distances_between(features, features, distance)
    is_other = ~np.eye(kept, dtype=bool)
    scores = relevance(distances, float(distances[is_other].mean()))
    same = np.unique(features, axis=0, return_inverse=True)[1].reshape(-1)
    scores[same[:, None] == same] = -1
    return scores


class _Within:
    """Pairs of a positive and a negative within a class, for each query: float64 [K, K] each.

    Args:
        scores: relevance of each image to each; -1 with itself.
        gap: how much less relevant than the positive a negative is at least; less than it in any case.

    Attributes:
        weights: of positives by themselves.
    """

    def __init__(self, scores: Relevance, gap: float) -> None:
        self._scores = scores
        self._most = np.minimum(scores - gap, np.nextafter(scores, -np.inf))  # of a negative; the positive is none
        self.weights = np.clip(scores, 0, MOST_RELEVANT)

    @cached_property
    def weights_of_pairs(self) -> Relevance:
        """Weights of positives that have a negative, by all that they have."""
        found = np.zeros_like(self._scores)
        for query, row in enumerate(self._scores):
            order = np.argsort(row)
            below = np.concatenate([[0], np.cumsum(self.weights[query, order])])
            num_below = np.searchsorted(row[order], self._most[query], side="right")
            found[query] = self.weights[query] * below[num_below]
        return found

    def draw(self, queries: Indices, wants_own: Flags, random: np.random.Generator) -> tuple[Indices, Indices]:
        """int64 [Q] twice: a positive, and a negative; -1 where none is wanted, or there is none."""
        gets_own = wants_own & (self.weights_of_pairs[queries].sum(axis=1) > 0)
        weights = np.where(gets_own[:, None], self.weights_of_pairs[queries], self.weights[queries])
        positive = _drawn(weights, random)
        allowed = self._scores[queries] <= self._most[queries, positive][:, None]
        return positive, np.where(gets_own, _drawn(np.where(allowed, self.weights[queries], 0), random), -1)


def _drawn(weights: Relevance, random: np.random.Generator) -> Indices:
    """A place of each row, by weight: float64 [Q, K] -> int64 [Q]; rows without weight give any."""
    steps = np.cumsum(weights, axis=1)
    drawn = random.random(len(weights)) * steps[:, -1]
    places: Indices = np.minimum((steps <= drawn[:, None]).sum(axis=1), weights.shape[1] - 1)
    return places


def _other(start: int, end: int, total: int, count: int, random: np.random.Generator) -> Indices:
    """Places that are not within start..end: int64 [count]."""
    drawn = random.integers(0, total - (end - start), count)
    return drawn + (drawn >= start) * (end - start)
