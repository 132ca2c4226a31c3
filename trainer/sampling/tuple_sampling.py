"""Tuples that are not mined: drawn at random from classes, or given by a table, and dealt in shuffled batches.

Decisions a reader would question:
- Anchors are stratified: every class gives as many as any other, give or take one, and none of its images is an anchor
  twice before all were once. Positives are uniform over the other images of the class, negatives over the other
  classes and then over the images of the one that was drawn.
- Half of the siamese pairs are different. DLPy draws the second image from all, and gets far more different ones.
- All is a pure function of (seed, epoch) and of (seed, round): an epoch can be dealt again from any batch on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from artifact.arrays import Indices
from trainer.data.tuple_table import TupleRows
from trainer.sampling.batch import Batch

_DRAW, _DEAL = 1, 2  # so that drawing a round and dealing an epoch of the same number have nothing in common


def draw_tuples(
    labels: Indices, *, kind: str, count: int, random: np.random.Generator, same_negatives: bool = False
) -> TupleRows:
    """Draw tuples at random.

    Args:
        labels: int64 [images]; at least two classes (three for quartets of three classes), one of two images.
        kind: `siamese`, `triplet` or `quartet`.
        count: number of tuples.
        random: decides everything.
        same_negatives: the quartet's second negative is another image of the first one's class, as in DLPy; else it is
            of a third class.

    Returns:
        Tuples of indices into `labels`, of pairs with `different`; `rows` numbers them.
    """
    classes = _Classes(labels)
    anchors = _anchors(classes, count, random)
    if kind == "siamese":
        different = np.zeros(count, bool)
        different[: count // 2 + (count % 2 and int(random.integers(2)))] = True
        different = random.permutation(different)
        second = np.where(different, classes.other_class(anchors, random), classes.same_class(anchors, random))
        return TupleRows(images=np.stack([anchors, second], axis=1), different=different, rows=np.arange(count))
    streams = [anchors, classes.same_class(anchors, random)]
    if kind == "triplet":
        streams.append(classes.other_class(anchors, random))
    elif same_negatives:
        negatives = classes.other_class(anchors, random, plural=True)
        streams += [negatives, classes.same_class(negatives, random)]
    else:
        negatives = classes.other_class(anchors, random)
        streams += [negatives, classes.third_class(anchors, negatives, random)]
    return TupleRows(images=np.stack(streams, axis=1), rows=np.arange(count))


class _Classes:
    """Images sorted by class, so that drawing from one is an offset."""

    def __init__(self, labels: Indices) -> None:
        self.order = np.argsort(labels, kind="stable")
        _, own, self.sizes = np.unique(labels, return_inverse=True, return_counts=True)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.own = own  # class of every image
        self.place = np.empty(len(labels), np.int64)  # of every image within its class
        self.place[self.order] = np.arange(len(labels)) - self.starts[own[self.order]]
        self.plural = np.flatnonzero(self.sizes > 1)

    def same_class(self, images: Indices, random: np.random.Generator) -> Indices:
        """Another image of each one's class."""
        own = self.own[images]
        step = 1 + random.integers(0, np.maximum(self.sizes[own] - 1, 1))
        drawn: Indices = self.order[self.starts[own] + (self.place[images] + step) % self.sizes[own]]
        return drawn

    def other_class(self, images: Indices, random: np.random.Generator, *, plural: bool = False) -> Indices:
        """An image of a class that is not each one's; with `plural` of one that has two images or more."""
        classes = self.plural if plural else np.arange(len(self.sizes))
        mine = np.searchsorted(classes, self.own[images])
        among = (mine < len(classes)) & (classes[np.minimum(mine, len(classes) - 1)] == self.own[images])
        drawn = random.integers(0, len(classes) - among)
        return self._any_of(classes[drawn + (among & (drawn >= mine))], random)

    def third_class(self, images: Indices, others: Indices, random: np.random.Generator) -> Indices:
        """An image of a class that is neither of the two."""
        low, high = np.sort([self.own[images], self.own[others]], axis=0)
        drawn = random.integers(0, len(self.sizes) - 2, len(images))
        drawn += drawn >= low
        drawn += drawn >= high
        return self._any_of(drawn, random)

    def _any_of(self, classes: Indices, random: np.random.Generator) -> Indices:
        drawn: Indices = self.order[self.starts[classes] + random.integers(0, self.sizes[classes])]
        return drawn


def _anchors(classes: _Classes, count: int, random: np.random.Generator) -> Indices:
    """Images of classes that have another one, shuffled; as many of each class as of any other, give or take one."""
    turns = [random.permutation(classes.plural) for _ in range(-(-count // len(classes.plural)))]
    drawn, counts = np.unique(np.concatenate(turns)[:count], return_counts=True)
    anchors = []
    for number, wanted in zip(drawn.tolist(), counts.tolist(), strict=True):
        start, size = classes.starts[number], classes.sizes[number]
        deals = [random.permutation(size) for _ in range(-(-wanted // size))]
        anchors.append(classes.order[start + np.concatenate(deals)[:wanted]])
    return random.permutation(np.concatenate(anchors))


@dataclass(frozen=True, kw_only=True)
class TupleBatches:
    """Shuffled batches of tuples, see trainer/sampling/batch.py.

    Attributes:
        tuples: of an epoch (from 0).
        num_tuples: of every epoch.
        num_streams: images of a tuple, no two of them the same.
        size: tuples in a batch; the last one of an epoch may have fewer.
        batches_per_epoch: None: as many as deal every tuple once.
    """

    tuples: Callable[[int], TupleRows]
    num_tuples: int
    num_streams: int
    size: int
    seed: int
    batches_per_epoch: int | None = None

    @property
    def per_epoch(self) -> int:
        return self.batches_per_epoch or -(-self.num_tuples // self.size)

    @property
    def smallest(self) -> int:
        return self.num_streams

    def epoch(self, epoch: int, *, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch (from 0), from the batch `first` on."""
        tuples = self.tuples(epoch)
        a_deal = -(-self.num_tuples // self.size)
        position = first
        for deal in itertools.count(first // a_deal):
            random = np.random.default_rng([self.seed, _DEAL, epoch, deal])
            order = random.permutation(self.num_tuples)
            for start in range(position % a_deal * self.size, self.num_tuples, self.size):
                if position >= self.per_epoch:
                    return
                yield batch_of(tuples.take(order[start : start + self.size]))
                position += 1


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Tuples of an epoch that are drawn anew every `epochs` epochs (DLPy's n_samples, max_epochs)."""

    labels: Indices
    kind: str
    count: int
    epochs: int
    seed: int
    same_negatives: bool = False

    def __call__(self, epoch: int) -> TupleRows:
        random = np.random.default_rng([self.seed, _DRAW, epoch // self.epochs])
        return draw_tuples(
            self.labels, kind=self.kind, count=self.count, random=random, same_negatives=self.same_negatives
        )


def batch_of(tuples: TupleRows) -> Batch:
    """The batch of some tuples: each distinct image once, the tuples as positions."""
    rows, positions = np.unique(tuples.images, return_inverse=True)
    return Batch(
        rows=rows.astype(np.int64),
        tuples=positions.reshape(tuples.images.shape).astype(np.int64),
        different=tuples.different,
    )
