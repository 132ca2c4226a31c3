"""Contradictions in data, known from content hashes: one picture in two classes, one pair both same and different.

Decision a reader would question: they are told and trained on. Which of the two labels is the wrong one nobody here can
say, and leaving both out would take a picture away for a slip in one of its copies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from artifact.arrays import Indices
from artifact.listing import listed
from trainer.data.images import Images
from trainer.data.notices import listed_rows
from trainer.data.tuple_table import TupleFiles, TupleRows

_NAMED = 3
_SAME_AS_FIRST = ("positive",)
_OTHER_THAN_FIRST = ("negative", "negative2")


def two_classes(images: Images) -> str | None:
    """The warning for contents that stand in two classes or more; None where there are none."""
    order = np.argsort(np.array(images.hashes), kind="stable")
    digests = np.array(images.hashes)[order]
    labels = images.labels[order]
    starts = np.flatnonzero(np.r_[True, digests[1:] != digests[:-1]]) if len(digests) else np.zeros(0, np.int64)
    named = []
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        if end - start > 1 and len(set(labels[start:end].tolist())) > 1:
            named.append((int(order[start]), _one_of_each_class(images, order[start:end])))
    return _told([members for _, members in sorted(named)], images)


def two_classes_across(train: Images, held_out: Images) -> str | None:
    """The warning for contents whose class in the validation set is not the one in training; None without any."""
    classes = {digest: train.files.classes[label] for digest, label in zip(train.hashes, train.labels, strict=True)}
    names = dict(zip(train.hashes, train.files.names, strict=True))
    named = []
    for digest, name, label in zip(held_out.hashes, held_out.files.names, held_out.labels.tolist(), strict=True):
        theirs, ours = held_out.files.classes[label], classes.get(digest)
        if ours is not None and ours != theirs:
            named.append(f"{names[digest]} ({ours}) and {name} ({theirs})")
    if not named:
        return None
    count = "1 picture has" if len(named) == 1 else f"{len(named):,} pictures have"
    return f"{count} another class in training than in validation: {listed(named, limit=_NAMED)}"


def same_and_different(tuples: TupleRows, images: Images, opened: TupleFiles) -> str | None:
    """The warning for pairs of images that are the same in one row and different in another; None without any.

    Args:
        tuples: over `images`, each content of which is there once.
        opened: the table that they are of.
    """
    pairs, are_different, rows = _pairs(tuples, opened.streams)
    if not len(pairs):
        return None
    keys = pairs.min(axis=1) * len(images) + pairs.max(axis=1)
    both = np.intersect1d(keys[are_different], keys[~are_different])
    if not len(both):
        return None
    named = []
    for key in both[:_NAMED].tolist():
        first, second = divmod(key, len(images))
        of_rows = np.unique(rows[keys == key]).tolist()
        named.append(
            f"{images.files.names[first]} and {images.files.names[second]} in {listed_rows(of_rows, opened.source)}"
        )
    count = "1 pair of pictures is" if len(both) == 1 else f"{len(both):,} pairs of pictures are"
    shown = listed(named, limit=_NAMED, separator="; ", total=len(both))
    return f"{count} the same in one row and different in another: {shown}"


def _one_of_each_class(images: Images, members: Indices) -> list[int]:
    """The first image of each class among copies of one content, in the order of the images."""
    first: dict[int, int] = {}
    for index in sorted(members.tolist()):
        first.setdefault(int(images.labels[index]), index)
    return list(first.values())


def _told(groups: Sequence[Sequence[int]], images: Images) -> str | None:
    if not groups:
        return None
    files = images.files
    named = [
        " and ".join(f"{files.names[index]} ({files.classes[files.labels[index]]})" for index in group[:_NAMED])
        for group in groups[:_NAMED]
    ]
    count = "1 picture stands" if len(groups) == 1 else f"{len(groups):,} pictures stand"
    shown = listed(named, limit=_NAMED, separator="; ", total=len(groups))
    return f"{count} in two classes or more, which is trained on as it is: {shown}"


def _pairs(tuples: TupleRows, streams: Sequence[str]) -> tuple[Indices, np.ndarray, Indices]:
    """int64 [P, 2] of images, bool [P] whether a row says that they are different, and int64 [P] the rows."""
    if tuples.different is not None:
        return tuples.images.astype(np.int64), tuples.different, tuples.rows
    sides, different = [], []
    for position, stream in enumerate(streams):
        if stream in _SAME_AS_FIRST or stream in _OTHER_THAN_FIRST:
            sides.append(tuples.images[:, [0, position]].astype(np.int64))
            different.append(np.full(len(tuples), stream in _OTHER_THAN_FIRST))
    return np.concatenate(sides), np.concatenate(different), np.tile(tuples.rows, len(sides))
