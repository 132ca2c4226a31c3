"""Batches of two towers: shuffled images, each with its row of attributes, and rows with attributes changed.

All is a pure function of (seed, epoch, number of the batch): an epoch can be dealt again from any batch on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from artifact.arrays import Vectors
from artifact.attributes import Attributes
from trainer.sampling.batch import Batch
from trainer.towers.candidates import candidates_of
from trainer.towers.flips import flipped
from trainer.towers.values import with_few

_DEAL, _FLIP = 4, 5  # besides those of trainer/sampling/tuple_sampling.py and filling.py


@dataclass(frozen=True, kw_only=True)
class TowerBatches:
    """Shuffled batches of images with their rows, see trainer/sampling/batch.py.

    Attributes:
        rows: float32 [images, A], the row of each image.
        attributes: what the columns of a row are.
        size: images of a batch; the last one of a deal may have fewer, but never one alone.
        num_flips: attributes changed in a flipped row; 0: there are none.
        flipped_share: of the rows of a batch, below 1.
        partial_share: of the images' own rows, that tell any number of their attributes.
        seed: decides everything.
        batches_per_epoch: None: as many as deal every image once.
    """

    rows: Vectors
    attributes: Attributes
    size: int
    num_flips: int
    flipped_share: float
    partial_share: float
    seed: int
    batches_per_epoch: int | None = None

    @property
    def per_epoch(self) -> int:
        return self.batches_per_epoch or self._a_deal

    @property
    def smallest(self) -> int:
        return min(self.size, len(self.rows), *(len(part) for part in self._parts(np.arange(len(self.rows)))))

    @property
    def _a_deal(self) -> int:
        return len(self._parts(np.arange(len(self.rows))))

    def epoch(self, epoch: int, *, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch (from 0), from the batch `first` on."""
        a_deal = self._a_deal
        for position in range(first, self.per_epoch):
            deal, place = divmod(position, a_deal)
            order = np.random.default_rng([self.seed, _DEAL, epoch, deal]).permutation(len(self.rows))
            images = self._parts(order)[place]
            random = np.random.default_rng([self.seed, _FLIP, epoch, position])
            own = self.rows[images]
            count = round(len(images) * self.flipped_share / (1 - self.flipped_share)) if self.num_flips else 0
            chosen = np.fromiter(itertools.islice(itertools.cycle(random.permutation(len(images))), count), np.int64)
            changed = flipped(own[chosen], self.attributes, count=max(1, self.num_flips), random=random)
            told = self._told(own, random)
            yield Batch(rows=images, candidates=candidates_of(own, told, changed, self.attributes))

    def _told(self, own: Vectors, random: np.random.Generator) -> Vectors:
        """The rows that stand for the images: some of them tell only some attributes."""
        whole = len(self.attributes)
        numbers = np.where(random.random(len(own)) < self.partial_share, random.integers(1, whole + 1, len(own)), whole)
        return with_few(own, self.attributes, numbers, random=random)

    def _parts(
        self, order: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """An order of all images cut into batches; a last image alone, which is told from nothing, joins the others."""
        starts = list(range(0, len(order), self.size))
        if len(starts) > 1 and len(order) - starts[-1] == 1:
            starts.pop()
        return [order[start:end] for start, end in itertools.pairwise([*starts, len(order)])]
