"""Images before any of them is read: which there are, and of which class; here those of folders, one per class.

Decisions a reader would question: the class is the first-level folder, however deep the image lies below it; hidden
files and folders are skipped, and of the rest only files with the suffix of an image count, so notes and tables may lie
about. Whether a file really is an image is decided by its content, later.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.images import ImageRef

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"))


@dataclass(frozen=True)
class ImageFiles:
    """The images of a folder, sorted by name, or those of a table, in its order.

    Attributes:
        root: the folder, or the table.
        names: relative POSIX paths, or what messages call the images of a table.
        labels: int64 [images], indices into `classes`; zeros where there are no classes.
        classes: names of the first-level folders, or values of the label column, sorted; empty for tables of tuples.
        images: of a table: each image in order, as often as it is iterated; None: the files are at their names.
    """

    root: Path
    names: tuple[str, ...]
    labels: Indices
    classes: tuple[str, ...]
    images: Iterable[ImageRef] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> Path:
        return self.root / self.names[index]

    def refs(self) -> Iterator[ImageRef]:
        """Where each image is, in order."""
        if self.images is not None:
            return iter(self.images)
        return (ImageRef(path=self.root / name) for name in self.names)

    def take(self, rows: Indices) -> ImageFiles:
        """Names and classes of some of the images; classes without an image are forgotten and labels renumbered."""
        if not self.classes:
            return ImageFiles(self.root, tuple(self.names[row] for row in rows), self.labels[rows], ())
        kept, labels = np.unique(self.labels[rows], return_inverse=True)
        classes = tuple(self.classes[index] for index in kept)
        return ImageFiles(self.root, tuple(self.names[row] for row in rows), labels.astype(np.int64), classes)


def scan_folder(root: Path, *, what: str = "image folder") -> ImageFiles:
    """List a folder of class folders; raises DataError where there is none, or no image in any class folder."""
    if not root.is_dir():
        got = "a file" if root.is_file() else "nothing there"
        raise DataError(what, expected="a folder with one folder of images per class", got=got, where=root)
    names: list[str] = []
    labels: list[int] = []
    classes: list[str] = []
    loose = False
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        if not _is_class_folder(entry, root):
            loose = loose or _is_image(entry.name)
            continue
        found = _images_below(Path(entry.path), root)
        if found:
            names += found
            labels += [len(classes)] * len(found)
            classes.append(entry.name)
    if not names:
        got = "images outside any class folder" if loose else "no image in any folder"
        mend = "put the images of each class into a folder of their own"
        raise DataError(what, expected="one folder of images per class", got=got, where=root, mend=mend)
    return ImageFiles(root, tuple(names), np.array(labels, np.int64), tuple(classes))


def _is_class_folder(entry: os.DirEntry[str], root: Path) -> bool:
    """A folder or a link to one; a link up to `root` or above it would make one class of all images."""
    try:
        return entry.is_dir() and not Path(os.path.realpath(root)).is_relative_to(os.path.realpath(entry.path))
    except OSError:  # a link that leads round in a circle
        return False


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _images_below(folder: Path, root: Path) -> list[str]:
    """Relative POSIX paths of the images below a class folder, sorted; links to folders are not followed."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        base = Path(parent).relative_to(root).as_posix()
        found += [f"{base}/{name}" for name in files if _is_image(name)]
    return sorted(found)


def check_classes(files: ImageFiles, *, kind: str) -> None:
    """Refuse folders that no tuple of this kind can be drawn from; raises DataError."""
    needed = 3 if kind == "quartet" else 2
    if len(files.classes) < needed:
        why = "a quartet's anchor and two negatives are of three classes" if needed == 3 else "a negative needs another"
        expected, got = f"at least {needed} ({why})", f"{len(files.classes)}: {_listed(files.classes)}"
        raise DataError(f"classes for a {kind} model", expected=expected, got=got, where=files.root)
    counts = np.bincount(files.labels, minlength=len(files.classes))
    lonely = [files.classes[index] for index in np.flatnonzero(counts < 2)]
    if lonely:
        expected, got = "at least 2 in every class (a positive needs another image)", f"1 in {_listed(lonely)}"
        is_folder = files.images is None and files.root.is_dir()
        mend = (
            "add images to these folders, or move them away"
            if is_folder
            else "add rows of these classes, or remove them"
        )
        raise DataError("images of a class", expected=expected, got=got, where=files.root, mend=mend)


def _listed(names: Sequence[str], *, limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
