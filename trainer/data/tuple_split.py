"""Which tuples of a table are held out.

Decisions a reader would question:
- Tuples that share an image, directly or through others, stay on one side: whole components of the table, chosen by
  content and seed, until their share is reached. A network is judged by images that it has never seen.
- Where nearly everything hangs together there are no such components; then single tuples are held out, and it is said
  that their images are trained on in other tuples, so that the figure is too good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from artifact.arrays import Indices
from trainer.data.tuple_table import TupleRows


def split_tuples(tuples: TupleRows, hashes: Sequence[str], share: float, *, seed: int) -> tuple[Indices, Indices, bool]:
    """Hold out `share` of the tuples, at least one of two or more.

    Args:
        tuples: of images, whose content hashes are `hashes`.
        share: between 0 and 1.
        seed: decides which.

    Returns:
        int64 indices (train, held out), sorted, and whether no image stands on both sides.
    """
    goal = min(max(1, round(share * len(tuples))), len(tuples) - 1)
    keys = [
        hashlib.sha256(f"{seed}:{','.join(hashes[image] for image in row)}".encode()).hexdigest()
        for row in tuples.images.tolist()
    ]
    held = _fill(_components(tuples.images, len(hashes)), keys, goal)
    apart = 2 * len(held) >= goal and goal > 0
    if not apart:  # copies of a row still stay on one side
        held = _fill(np.unique(np.array(keys), return_inverse=True)[1].astype(np.int64), keys, goal)
        if not held and goal > 0:
            held = [min(range(len(keys)), key=keys.__getitem__)]
    mask = np.zeros(len(tuples), bool)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask), apart


def _components(tuples: Indices, num_images: int) -> Indices:
    """Component of every tuple: int64 [T]; two tuples are in one where a chain of shared images joins them."""
    parent = np.arange(num_images)

    def root(image: int) -> int:
        while parent[image] != image:
            parent[image] = parent[parent[image]]
            image = int(parent[image])
        return image

    for first, *others in tuples.tolist():
        for other in others:
            parent[root(other)] = root(first)
    return np.array([root(first) for first in tuples[:, 0].tolist()], np.int64)


def _fill(groups: Indices, keys: list[str], goal: int) -> list[int]:
    """Whole groups in the order of their smallest key, each that still fits into `goal` tuples."""
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(index)
    held: list[int] = []
    for group in sorted(members.values(), key=lambda group: min(keys[index] for index in group)):
        if len(held) + len(group) <= goal:
            held += group
    return held
