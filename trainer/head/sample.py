"""Samples of images by class."""

from __future__ import annotations

import numpy as np

from artifact.arrays import Indices


def sample_by_class(labels: Indices, most: int, *, seed: int) -> Indices:
    """Rows of a sample of at most `most` images, rising, as many of each class as there is room for, two at least.

    Args:
        labels: int64 [N].
        most: how many; where there are more than half as many classes, some of these are left out.
        seed: decides which.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(labels))
    # the place of each image in its class, in random order: those of the first places are taken
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    limit = max(2, int(np.searchsorted(np.cumsum(np.bincount(place)), most, side="right")))
    rows = order[place < limit]
    if len(rows) > most:  # too many classes: whole ones go
        kept = random.permutation(len(counts))[: most // 2]
        rows = rows[np.isin(labels[rows], np.unique(labels)[kept])]
    return np.sort(rows)
