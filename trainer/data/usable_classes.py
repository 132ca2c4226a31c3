"""Classes that tuples can be drawn from: two images at least, and as many classes as the kind needs.

Decisions a reader would question:
- A class of one image is left out whole, and told, whatever is held out and how: it has no positive, and its one image
  as a negative would be in a class that can never be told right. Face data sets have thousands of them.
- Two files of one content count as two images, as they always did.
"""

from __future__ import annotations

import numpy as np

from artifact.arrays import Indices
from artifact.errors import DataError
from artifact.events import Report
from artifact.listing import listed
from trainer.data.image_files import ImageFiles
from trainer.data.images import Images
from trainer.data.notices import lonely_classes, warn

MIN_IMAGES = 2


def check_classes(files: ImageFiles, *, kind: str) -> None:
    """Refuse classes of which too few have two images for a tuple of this kind; raises DataError."""
    needed = 3 if kind == "quartet" else 2
    usable = _usable(files)
    if len(usable) >= needed:
        return
    why = "a quartet's anchor and two negatives are of three classes" if needed == 3 else "a negative needs another"
    lonely = np.setdiff1d(np.arange(len(files.classes)), usable)
    expected = f"at least {needed} ({why})"
    if len(lonely):
        expected = f"at least {needed} with {MIN_IMAGES} images or more ({why}, a positive another image)"
    got = f"{len(usable)}: {_named(files, usable)}" if len(usable) else "0"
    if len(lonely):
        got += f"; only one image in {_named(files, lonely)}"
    inner = _inner_folder(files)
    mend = f"if the classes are the folders in {inner}, name that folder" if inner else None
    raise DataError(f"classes for a {kind} model", expected=expected, got=got, where=files.root, mend=mend)


def usable_classes(images: Images, *, kind: str, report: Report) -> Images:
    """The images whose class has two or more; the classes of the others are told.

    Args:
        images: that could be read.
        kind: decides how many classes must be left.
        report: gets a warning.

    Raises:
        DataError: fewer classes than a tuple of this kind has.
    """
    check_classes(images.files, kind=kind)
    usable = _usable(images.files)
    lonely = np.setdiff1d(np.arange(len(images.files.classes)), usable)
    if not len(lonely):
        return images
    names = [images.files.classes[index] for index in lonely]
    report(lonely_classes(names).to_event())
    return images.take(np.flatnonzero(np.isin(images.labels, usable)))


def hint_at_inner_classes(files: ImageFiles, *, report: Report) -> None:
    """Warn where all images are of one class whose folders may be the classes, and one class is not refused."""
    inner = _inner_folder(files)
    if inner is not None:
        name = files.classes[0]
        warn(
            report, f"all images are of one class, {name}; if the classes are the folders in {inner}, name that folder"
        )


def lost_classes(files: ImageFiles, images: Images) -> list[str]:
    """The classes none of whose images could be read.

    Args:
        files: all of them.
        images: those that could be read.
    """
    left = set(images.files.classes)
    return [name for name in files.classes if name not in left]


def _usable(files: ImageFiles) -> Indices:
    """int64: the classes with two images or more."""
    counts = np.bincount(files.labels, minlength=len(files.classes))
    return np.flatnonzero(counts >= MIN_IMAGES)


def _named(files: ImageFiles, classes: Indices) -> str:
    return listed([files.classes[index] for index in classes])


def _inner_folder(files: ImageFiles) -> str | None:
    """The only class, where it is a folder of folders that may be the classes themselves."""
    if not files.is_folder or len(files.classes) != 1:
        return None
    inner = {name.split("/")[1] for name in files.names if name.count("/") > 1}
    return str(files.root / files.classes[0]) if len(inner) > 1 else None
