"""Identity-balanced batches: P classes with K images each, the raw material of mining.

Tuples that are drawn or given are dealt in trainer/sampling/tuple_sampling.py; `make_batches`, below, chooses by the
strategy of the configuration.

Decisions a reader would question:
- An epoch deals every image at least once: each class is shuffled and cut into hands of K, and the classes take turns
  in proportion to what they have to deal (turns.py). A class of fewer than K images gives all it has; no image is
  twice in one batch, so none is its own positive. The last hand of a class is filled up with images already dealt in
  that epoch.
- The batches are a pure function of (seed, epoch), not of a generator's state: a resumed run deals the same hands.
  Batches that were trained before are dealt and put away, which reads no image.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from artifact.arrays import Indices
from artifact.kinds import KINDS
from artifact.losses.loss import SAME_CLASS, Loss
from trainer.config.config import TrainConfig
from trainer.config.settings import BALANCED
from trainer.config.towers import num_flips
from trainer.data.attribute_table import TowerRows
from trainer.data.images import Images
from trainer.data.tuple_table import TupleRows
from trainer.sampling import turns
from trainer.sampling.batch import Batch, Batches
from trainer.sampling.tower_batches import TowerBatches
from trainer.sampling.tuple_sampling import Rounds, TupleBatches


def num_batches(labels: Indices, *, classes_per_batch: int, images_per_class: int) -> int:
    """Batches of one epoch of `epoch_batches`: enough for all hands, and for all hands of the largest class."""
    hands = -(-np.bincount(labels) // images_per_class)
    return turns.num_batches(hands, width=min(classes_per_batch, int((hands > 0).sum())))


def epoch_batches(
    labels: Indices, *, classes_per_batch: int, images_per_class: int, seed: int, epoch: int, round_: int = 0
) -> Iterator[Indices]:
    """The batches of one epoch.

    Args:
        labels: int64 [images], class of every image.
        classes_per_batch: P; every batch holds min(P, number of classes) classes.
        images_per_class: K; a class gives min(K, its size) images to a batch.
        seed, epoch, round_: decide everything; rounds are for epochs longer than one deal.

    Yields:
        int64 [up to P * K] indices into `labels`, no index twice in a batch.
    """
    random = np.random.default_rng([seed, epoch, round_])
    order = np.argsort(labels, kind="stable")
    ends = np.flatnonzero(np.diff(labels[order])) + 1
    members = np.split(order, ends)
    hands = [_hands(images, images_per_class, random) for images in members]
    left = np.array([len(of_class) for of_class in hands])
    for chosen in turns.turns(left, width=min(classes_per_batch, len(hands)), random=random):
        batch = []
        for number in chosen.tolist():
            # a class that is dealt out plays on while others are not, for a batch needs its classes
            again = hands[number] or _hands(members[number], images_per_class, random)
            batch.append(again.pop())
        yield np.concatenate(batch)


def batches(
    labels: Indices,
    *,
    classes_per_batch: int,
    images_per_class: int,
    seed: int,
    epoch: int,
    batches_per_epoch: int | None = None,
) -> Iterator[Indices]:
    """The batches of one epoch, or exactly `batches_per_epoch` of as many deals as that takes."""
    if batches_per_epoch is None:
        yield from epoch_batches(
            labels, classes_per_batch=classes_per_batch, images_per_class=images_per_class, seed=seed, epoch=epoch
        )
        return
    left = batches_per_epoch
    for round_ in itertools.count():
        for batch in epoch_batches(
            labels,
            classes_per_batch=classes_per_batch,
            images_per_class=images_per_class,
            seed=seed,
            epoch=epoch,
            round_=round_,
        ):
            if left == 0:
                return
            left -= 1
            yield batch


def _hands(members: Indices, size: int, random: np.random.Generator) -> list[Indices]:
    """Shuffle a class and cut it into hands of `size`; the last one is filled up from the earlier ones."""
    shuffled = random.permutation(members)
    full = len(shuffled) // size * size
    hands = [shuffled[start : start + size] for start in range(0, full, size)]
    rest = shuffled[full:]
    if len(rest):
        filler = random.permutation(shuffled[:full])[: size - len(rest)]
        hands.append(np.concatenate([rest, filler]))
    return hands


@dataclass(frozen=True, kw_only=True)
class BalancedBatches:
    """`batches` of every epoch, see trainer/sampling/batch.py."""

    labels: Indices
    classes_per_batch: int
    images_per_class: int
    seed: int
    batches_per_epoch: int | None = None

    @property
    def per_epoch(self) -> int:
        return self.batches_per_epoch or num_batches(
            self.labels, classes_per_batch=self.classes_per_batch, images_per_class=self.images_per_class
        )

    @property
    def smallest(self) -> int:
        hands = np.sort(np.minimum(np.bincount(self.labels), self.images_per_class))
        return int(hands[hands > 0][: self.classes_per_batch].sum())

    def epoch(self, epoch: int, *, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch (from 0), from the batch `first` on."""
        dealt = batches(
            self.labels,
            classes_per_batch=self.classes_per_batch,
            images_per_class=self.images_per_class,
            seed=self.seed,
            epoch=epoch,
            batches_per_epoch=self.batches_per_epoch,
        )
        return (Batch(rows=rows) for rows in itertools.islice(dealt, first, None))


def make_batches(
    config: TrainConfig, images: Images, tuples: TupleRows | None, *, loss: Loss, rows: TowerRows | None = None
) -> Batches:
    """Batches of the training images.

    Args:
        config: resolved.
        images: to train on.
        tuples: over them, where a table gave them.
        loss: of the configuration; of quartets it says which second negative is drawn.
        rows: their attributes, where there are two towers.
    """
    sampling = config.sampling
    if rows is not None:
        return TowerBatches(
            rows=rows.train,
            attributes=rows.attributes,
            size=config.towers.images_per_batch,
            num_flips=num_flips(config.negatives),
            flipped_share=config.flipped_share or 0.0,
            partial_share=config.towers.partial_share,
            seed=config.seed,
            batches_per_epoch=sampling.batches_per_epoch,
        )
    if sampling.strategy == BALANCED:
        assert sampling.classes_per_batch is not None
        assert sampling.images_per_class is not None
        return BalancedBatches(
            labels=images.labels,
            classes_per_batch=sampling.classes_per_batch,
            images_per_class=sampling.images_per_class,
            seed=config.seed,
            batches_per_epoch=sampling.batches_per_epoch,
        )
    if tuples is not None:
        given = tuples
        return TupleBatches(
            tuples=lambda epoch: given,
            num_tuples=len(given),
            num_streams=given.images.shape[1],
            size=sampling.tuples_per_batch,
            seed=config.seed,
            batches_per_epoch=sampling.batches_per_epoch,
        )
    rounds = Rounds(
        labels=images.labels,
        kind=config.kind,
        count=sampling.tuples_per_round,
        epochs=sampling.epochs_per_round,
        seed=config.seed,
        same_negatives=loss.second_negative == SAME_CLASS,
    )
    return TupleBatches(
        tuples=rounds,
        num_tuples=rounds.count,
        num_streams=len(KINDS[config.kind].streams),
        size=sampling.tuples_per_batch,
        seed=config.seed,
        batches_per_epoch=sampling.batches_per_epoch,
    )
