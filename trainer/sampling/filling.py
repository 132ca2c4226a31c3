"""Batches filled up with further images where a layer would refuse them for their size.

Decisions a reader would question:
- Filled up, not merged into the batch before it and not left out: so an epoch has as many batches as it had, which the
  learning rate and a resumed run count on, and every tuple is still seen.
- Which sizes are refused is found out (trainer/loop/shares.py), not assumed: a network without batch normalisation, or
  with maps of more than one place, trains on one image a process, and goes on to do so with the same bytes.
- Images that fill a batch up are drawn from all others, by seed, epoch and number of the batch. Where tuples are mined
  they are mined too; where tuples were drawn or given they belong to none, and only lend the layers their statistics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from trainer.sampling.batch import Batch, Batches

_FILL = 3  # besides those of trainer/sampling/tuple_sampling.py


@dataclass(frozen=True, kw_only=True)
class FilledBatches:
    """Batches of another source, filled up; see trainer/sampling/batch.py.

    Attributes:
        batches: the source.
        num_images: to train on.
        num_ranks: processes that share each batch.
        refused: how many images of a share the layers refuse: 0, 1 or both.
        seed: of the images that are added.
    """

    batches: Batches
    num_images: int
    num_ranks: int
    refused: Collection[int]
    seed: int

    @property
    def per_epoch(self) -> int:
        return self.batches.per_epoch

    @property
    def smallest(self) -> int:
        return filled_size(self.batches.smallest, num_ranks=self.num_ranks, refused=self.refused)

    def epoch(self, epoch: int, *, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch (from 0), from the batch `first` on."""
        for number, batch in enumerate(self.batches.epoch(epoch, first=first), start=first):
            missing = filled_size(len(batch.rows), num_ranks=self.num_ranks, refused=self.refused) - len(batch.rows)
            if not missing:
                yield batch
                continue
            random = np.random.default_rng([self.seed, _FILL, epoch, number])
            others = np.setdiff1d(np.arange(self.num_images), batch.rows)
            added = random.choice(others, missing, replace=False)
            yield replace(batch, rows=np.concatenate([batch.rows, added]))


def share_sizes(num_images: int, num_ranks: int) -> set[int]:
    """How many images of a batch the ranks get: one number, or two that differ by one."""
    return {num_images // num_ranks, -(-num_images // num_ranks)}


def filled_size(num_images: int, *, num_ranks: int, refused: Collection[int]) -> int:
    """The fewest images, at least `num_images`, of which no rank gets a number that its layers refuse."""
    while not share_sizes(num_images, num_ranks).isdisjoint(refused):
        num_images += 1
    return num_images
