"""Images before any of them is read: their names, their classes, and where they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from artifact.arrays import Indices
from rows.image_suffixes import OTHER_PICTURES, suffix_of
from rows.images import ImageRef
from trainer.data.notices import Notice
from trainer.data.texts import Texts

_FARTHEST_ROW = 4096
"""A table is not read to its end for a few of its images."""

_NEWLY_READ = (".apng", ".avif", ".avifs", ".jfif", ".jpe", ".mpo", ".pbm", ".pnm")
"""Suffixes that training passed over in folders before it read what scoring reads, and what else is decoded by now."""


@dataclass(frozen=True)
class ImageFiles:
    """The images of a folder, by class and name, or those of a table, in its order.

    Attributes:
        root: the folder, or the table.
        names: relative POSIX paths, or what messages call the images of a table.
        labels: int64 [images], indices into `classes`; zeros where there are no classes.
        classes: names of the first-level folders, or values of the label column, sorted; empty for tables of tuples
            and for images without classes.
        images: each image in order, as often as it is iterated; none where they have been read.
        is_folder: whether they are those of a folder.
        notices: what the user should know of what was left out.
    """

    root: Path
    names: Sequence[str]
    labels: Indices
    classes: tuple[str, ...]
    images: Iterable[ImageRef] = ()
    is_folder: bool = False
    notices: tuple[Notice, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def some(self, count: int) -> list[ImageRef]:
        """At most `count` of the images, evenly spaced; of a table among its first ones."""
        images = self.images
        in_reach = len(self) if isinstance(images, Sequence) else min(len(self), _FARTHEST_ROW)
        chosen = np.linspace(0, in_reach - 1, min(count, in_reach)).round().astype(int).tolist()
        if isinstance(images, Sequence):
            return [images[index] for index in chosen]
        return [ref for index, ref in enumerate(islice(images, in_reach)) if index in chosen]

    def take(self, rows: Indices) -> ImageFiles:
        """Names and classes of some of the images; classes without an image are forgotten and labels renumbered."""
        names, labels, classes = _taken(self.names, rows), self.labels[rows], self.classes
        if classes:
            kept, labels = np.unique(labels, return_inverse=True)
            classes = tuple(classes[index] for index in kept)
        return ImageFiles(self.root, names, labels.astype(np.int64), classes, is_folder=self.is_folder)


def _taken(names: Sequence[str], rows: Indices) -> Texts:
    return (names if isinstance(names, Texts) else Texts(names)).take(rows)


def newly_read(files: ImageFiles) -> str | None:
    """How to mend a folder that seems changed because more of its files are images now; None where that is not so."""
    suffixes = (*_NEWLY_READ, *OTHER_PICTURES)
    names = [name for name in files.names if name.lower().endswith(suffixes)] if files.is_folder else []
    if not names:
        return None
    those = f"files such as {names[0]!r} are read now, and were not by older versions"
    found = sorted({suffix_of(name) for name in names})
    return f"{those}: move {' '.join(found)} files out of the folder"
