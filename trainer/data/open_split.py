"""The choice of what is held out where nobody says: images of each class, or whole classes where these are small.

Decisions a reader would question:
- A class gives held-out images if it has four different ones, two to hold out and two to train on. Where at least half
  of the classes can, or 25, the figures are of images. Else a few large classes would speak for all the small ones, or
  nothing would be held out and there would be no threshold.
- Then whole classes are held out: as many as give the different pairs that a threshold takes (decision 0021), and a
  tenth of them at least; but never more than a third of the classes or of the images, for they are missed in training.
  Classes that do not fit into that third are passed over: whether anything is held out must not depend on where a large
  one happens to stand.
"""

from __future__ import annotations

import numpy as np

from analysis.measures.support import MIN_FALSE_ACCEPTS
from analysis.measures.threshold import FALSE_ACCEPT_RATE
from artifact.arrays import Indices
from artifact.events import Report
from trainer.data.images import Images
from trainer.data.notices import Notice
from trainer.data.split import (
    CLASSES,
    MAX_SHARE,
    MIN_SMALL_CLASSES,
    SMALL_CLASSES,
    class_order,
    num_different,
    num_held_out_classes,
    small_class_order,
    split_images,
)

_CLASS_SHARE = 0.1
_NEEDED_PAIRS = round(MIN_FALSE_ACCEPTS / FALSE_ACCEPT_RATE)


def choose_split(images: Images, share: float, *, seed: int, min_train: int, report: Report) -> tuple[str, float]:
    """What is held out of images with classes, as `--validation` would say it.

    Args:
        images: all of them.
        share: of the images.
        seed: decides which classes come first.
        min_train: classes that must stay.
        report: is told where it is classes.

    Returns:
        (`images`, `classes` or, where some are passed over, `small_classes`; share); where classes cannot be spared
        (`images`, share) too.
    """
    num_classes = len(images.files.classes)
    held = split_images(images, share, seed=seed)[1]
    if len(np.unique(images.labels[held])) >= min(MIN_SMALL_CLASSES, -(-num_classes // 2)):
        return "images", share
    order = small_class_order(images, seed=seed)
    sizes = num_different(images)[order]
    count = num_spared(sizes, min_train=min_train)
    if count is None:
        return "images", share
    report(
        Notice(
            f"{count} of {num_classes:,} classes ({int(sizes[:count].sum())} images) are held out whole: most classes "
            "have fewer than four different images, so the figures are of classes that are not trained on",
            is_warning=False,
        ).to_event()
    )
    mode = CLASSES if order[:count] == class_order(images, seed=seed)[:count] else SMALL_CLASSES
    return mode, _share_of(count, num_classes)


def num_spared(sizes: Indices, *, min_train: int) -> int | None:
    """How many classes to hold out.

    Args:
        sizes: int64 [classes], different images of each, in the order in which they are held out.
        min_train: classes that must stay.

    Returns:
        At least 2; None where so many cannot be spared.
    """
    counts = np.arange(1, len(sizes) + 1)
    images = np.cumsum(sizes)
    pairs = (images**2 - np.cumsum(sizes**2)) // 2
    can_be = (counts <= min(MAX_SHARE * len(sizes), len(sizes) - min_train)) & (images <= MAX_SHARE * images[-1])
    most = int(can_be.sum())
    if most < 2:
        return None
    is_enough = (counts >= max(2, _CLASS_SHARE * len(sizes))) & (pairs >= _NEEDED_PAIRS)
    return min(most, int(np.argmax(is_enough)) + 1) if is_enough.any() else most


def _share_of(count: int, num_classes: int) -> float:
    """The share with the fewest digits, two at least, that holds so many classes out."""
    for digits in range(2, 17):
        share = round(count / num_classes, digits)
        if num_held_out_classes(share, num_classes) == count:
            return share
    return count / num_classes
