"""Splits into rows to train on and rows to hold out: some images of each class, whole classes, or tuples of a table.

Decisions a reader would question:
- The split follows from content and seed, not from names or order: copies of one image under several names stay on one
  side, or the held-out recall would be a lie.
- Of a class either at least two images are held out or none, because recall@1 is leave-one-out within the held-out set;
  and at least two stay to train on. A class of fewer than four different images is trained on as a whole.
- Whole classes are held out in an order of content and seed. Where that was not asked for, those that do not fit into a
  third of the images are passed over (SMALL_CLASSES): that is an order of its own, with a name of its own in
  config.yaml, for shares of classes mean what they always did.
- Two images of every class would be a third of a folder with six images in each. So of classes whose share is less than
  two images, some give two and the others none: as many as the share asks for, but 25 where there are so many.
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
from artifact.errors import DataError
from trainer.data.images import Images
from trainer.data.tuple_table import TupleRows

CLASSES, SMALL_CLASSES = "classes", "small_classes"
"""Ways to hold whole classes out, as `--validation` calls them: all in their order, or without those too large."""

MAX_SHARE = 1 / 3
"""Of the images, that SMALL_CLASSES holds out at most."""

MIN_SMALL_CLASSES = 25
"""Enough classes for a figure that means something."""

_AT_ONCE = 65_536


def split_images(images: Images, share: float, *, seed: int) -> tuple[Indices, Indices]:
    """Hold out `share` of the different images; int64 indices (train, held out), sorted."""
    groups: dict[str, list[int]] = {}
    for index, digest in enumerate(images.hashes):
        groups.setdefault(digest, []).append(index)
    by_class: dict[int, list[str]] = {}
    for digest, members in groups.items():  # one content in two classes counts for the first of them
        by_class.setdefault(int(images.labels[members[0]]), []).append(digest)
    chosen: list[str] = []
    small: list[list[str]] = []
    for digests in by_class.values():
        ordered = sorted(digests, key=lambda digest: _order(digest, seed))
        count = min(round(share * len(digests)), len(digests) - 2)
        if count >= 2:
            chosen += ordered[:count]
        elif len(digests) >= 4:
            small.append(ordered)
    wanted = round(share * sum(len(digests) for digests in small) / 2)
    pairs = min(len(small), max(wanted, MIN_SMALL_CLASSES))
    for ordered in sorted(small, key=lambda digests: _order("".join(digests), seed))[:pairs]:
        chosen += ordered[:2]
    return _train_and_held_out([index for digest in chosen for index in groups[digest]], len(images))


def split_contents(hashes: Sequence[str], share: float, *, seed: int) -> tuple[Indices, Indices]:
    """Hold out `share` of the different images, whatever they are called: int64 indices (train, held out), sorted.

    Args:
        hashes: of the content of each image; copies stay on one side.
    """
    order = sorted(set(hashes), key=lambda digest: _order(digest, seed))
    chosen = set(order[: min(max(1, round(share * len(order))), len(order) - 1)])
    return _train_and_held_out([row for row, digest in enumerate(hashes) if digest in chosen], len(hashes))


def split_combinations(
    combinations: Sequence[str], hashes: Sequence[str], share: float, *, seed: int
) -> tuple[Indices, Indices]:
    """Hold out `share` of the combinations of attributes with their images: int64 indices (train, held out), sorted.

    Args:
        combinations: that of each image, as text.
        hashes: of the content of each image; one that shows combinations of both sides is trained on
            with those of that side, and not held out.
    """
    order = sorted(set(combinations), key=lambda text: _order(text, seed))
    chosen = set(order[: min(max(1, round(share * len(order))), len(order) - 1)])
    held = np.array([text in chosen for text in combinations], bool)
    trained = {digest for digest, is_held in zip(hashes, held, strict=True) if not is_held}
    is_seen = np.array([digest in trained for digest in hashes], bool)
    return np.flatnonzero(~held), np.flatnonzero(held & ~is_seen)


def split_classes(
    images: Images, share: float, *, seed: int, min_train: int, mode: str = CLASSES
) -> tuple[Indices, Indices]:
    """Hold out `share` of the classes, at least two; int64 indices (train, held out), sorted.

    Args:
        images: with classes.
        share: between 0 and 1.
        seed: decides which classes come first.
        min_train: classes that must stay.
        mode: CLASSES or SMALL_CLASSES.

    Raises:
        DataError: too few classes to hold two out and keep `min_train`.
    """
    num_classes = len(images.files.classes)
    count = num_held_out_classes(share, num_classes)
    if num_classes - count < min_train:
        raise DataError(
            f"classes to hold {share:g} of them out",
            expected=f"at least {count + min_train}",
            got=str(num_classes),
            where=images.files.root,
        )
    chosen = (small_class_order if mode == SMALL_CLASSES else class_order)(images, seed=seed)[:count]
    return _train_and_held_out(np.flatnonzero(np.isin(images.labels, chosen)).tolist(), len(images))


def num_held_out_classes(share: float, num_classes: int) -> int:
    """How many classes are held out at a share: two at least."""
    return max(2, round(share * num_classes))


def class_order(images: Images, *, seed: int) -> list[int]:
    """Every class, in the order in which they are held out; by content and seed."""
    content: list[list[str]] = [[] for _ in images.files.classes]
    for label, digest in zip(images.labels, images.hashes, strict=True):
        content[label].append(digest)
    keys = [_order("".join(sorted(digests)), seed) for digests in content]
    return sorted(range(len(content)), key=keys.__getitem__)


def small_class_order(images: Images, *, seed: int) -> list[int]:
    """Every class, in the order of `class_order`; those that do not fit into a third of the images come last.

    A class fits if its different images and those of the classes before it that fit are not more than that; and if it
    is not more than half of it, for two classes at least are held out.
    """
    sizes, kept, passed_over, taken = num_different(images), list[int](), list[int](), 0
    most = MAX_SHARE * int(sizes.sum())
    for label in class_order(images, seed=seed):
        fits = int(sizes[label]) <= min(most - taken, most / 2)
        taken += int(sizes[label]) if fits else 0
        (kept if fits else passed_over).append(label)
    return kept + passed_over


def num_different(images: Images) -> Indices:
    """int64 [classes], how many different images each class has."""
    content: list[set[str]] = [set() for _ in images.files.classes]
    for label, digest in zip(images.labels, images.hashes, strict=True):
        content[label].add(digest)
    return np.array([len(digests) for digests in content], np.int64)


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
    ranks = _ranks(tuples, hashes, seed)
    held = _fill(_components(tuples.images.astype(np.int64), len(hashes)), ranks, goal)
    apart = 2 * len(held) >= goal and goal > 0
    if not apart:  # copies of a row still stay on one side
        held = _fill(ranks, ranks, goal)
        if not held and goal > 0:
            held = [int(ranks.argmin())]
    train, held_out = _train_and_held_out(held, len(tuples))
    return train, held_out, apart


def without_copies(held_out: Images, train: Images) -> tuple[Images, int]:
    """Held-out images whose content is not trained on, and how many were dropped."""
    seen = set(train.hashes)
    kept = np.array([index for index, digest in enumerate(held_out.hashes) if digest not in seen], np.int64)
    return held_out.take(kept), len(held_out) - len(kept)


def _order(text: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()


def _train_and_held_out(held: list[int], total: int) -> tuple[Indices, Indices]:
    mask = np.zeros(total, bool)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def _ranks(tuples: TupleRows, hashes: Sequence[str], seed: int) -> Indices:
    """int64 [T], the order in which tuples are held out, by content and seed; equal ones have one rank."""
    keys = []
    for start in range(0, len(tuples), _AT_ONCE):
        images = tuples.images[start : start + _AT_ONCE]
        used, places = np.unique(images, return_inverse=True)
        texts = [hashes[image] for image in used.tolist()]
        rows = (",".join([texts[place] for place in row.tolist()]) for row in places.reshape(images.shape))
        keys += [bytes.fromhex(_order(row, seed)) for row in rows]
    digests = np.frombuffer(b"".join(keys), ">u8").reshape(-1, 4)  # compared as the digits are
    order = np.lexsort(digests.T[::-1])
    is_new = np.r_[False, (digests[order[1:]] != digests[order[:-1]]).any(axis=1)]
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.cumsum(is_new)
    return ranks


def _components(tuples: Indices, num_images: int) -> Indices:
    """Component of every tuple: int64 [T]; two tuples are in one where a chain of shared images joins them.

    Every image takes the smallest number in reach, and each round doubles the reach.
    """
    lowest = np.arange(num_images)
    while True:
        of_tuple = lowest[tuples].min(axis=1)
        found = lowest.copy()
        for stream in range(tuples.shape[1]):
            np.minimum.at(found, tuples[:, stream], of_tuple)
            np.minimum.at(found, lowest[tuples[:, stream]], of_tuple)  # and whoever follows the same image
        found = found[found]
        if (found == lowest).all():
            return np.asarray(of_tuple)
        lowest = found


def _fill(groups: Indices, ranks: Indices, goal: int) -> list[int]:
    """Whole groups in the order of their lowest rank, each that still fits into `goal` tuples."""
    members = np.lexsort((np.arange(len(groups)), groups))
    starts = np.flatnonzero(np.r_[True, np.diff(groups[members]) != 0]) if len(groups) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(groups)])
    held: list[int] = []
    for group in np.argsort(np.minimum.reduceat(ranks[members], starts), kind="stable").tolist():
        if len(held) + sizes[group] <= goal:
            held += members[starts[group] : starts[group] + sizes[group]].tolist()
    return held
