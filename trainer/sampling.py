"""Identity-balanced batches: P classes with K images each, the raw material of mining.

Decisions a reader would question:
- An epoch deals every image at least once: each class is shuffled and cut into hands of K, and batches take hands from
  the classes that have most left. A class of fewer than K images gives all it has; no image is twice in one batch, so
  none is its own positive. The last hand of a class is filled up with images already dealt in that epoch.
- The batches are a pure function of (seed, epoch), not of a generator's state: a resumed run deals the same hands.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

_TARGET_BATCH = 100
_MAX_CLASSES = 25
_MIN_PER_CLASS = 4


def batch_shape(num_classes: int, *, classes_per_batch: int | None, images_per_class: int | None) -> tuple[int, int]:
    """P and K where they are left open: about 100 images a batch, up to 25 classes, at least 4 images of each."""
    classes = min(num_classes, classes_per_batch or _MAX_CLASSES)
    return classes, images_per_class or max(_MIN_PER_CLASS, _TARGET_BATCH // max(classes, 1))


def num_batches(labels: Indices, *, classes_per_batch: int, images_per_class: int) -> int:
    """Batches of one epoch of `epoch_batches`: enough for all hands, and for all hands of the largest class."""
    hands = -(-np.bincount(labels) // images_per_class)
    width = min(classes_per_batch, int((hands > 0).sum()))
    return max(-(-int(hands.sum()) // width), int(hands.max()))


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
    members = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    hands = {label: _hands(images, images_per_class, random) for label, images in members.items()}
    width = min(classes_per_batch, len(hands))
    while any(hands.values()):
        # the fullest classes first, ties by lot: no other order deals everything in fewer batches
        order = sorted(hands, key=lambda label: (-len(hands[label]), random.random()))[:width]
        batch = []
        for label in order:
            # a class that is dealt out plays on while others are not, for a batch needs its classes
            again = hands[label] or _hands(members[label], images_per_class, random)
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
            labels, classes_per_batch=classes_per_batch, images_per_class=images_per_class, seed=seed, epoch=epoch,
            round_=round_,
        ):  # fmt: skip
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
