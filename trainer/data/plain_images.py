"""Images without classes, for a head that needs none: a folder of image files, or a table with an image column alone.

Decisions a reader would question:
- A folder is plain only where no image lies in a folder of its own: one class folder makes classes of all, and says how
  many images lie outside. A table is plain where it has no label column, or one that is empty and was not asked for.
- The files of a folder stand in natural order, img2 before img10, as people count and as their tools number frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rows.formats.folder import FolderImages
from rows.formats.source import Source
from rows.location import readable_name
from trainer.data.image_files import ImageFiles
from trainer.data.notices import Notice
from trainer.data.table_columns import TableColumns
from trainer.data.table_images import TableImages

_CONSEQUENCE = "so no class is told from another: nothing is held out of them, and there is no threshold"


def plain_folder(folder: Path, images: FolderImages, notices: Sequence[Notice]) -> ImageFiles:
    """The images of a folder without class folders, in natural order; no image is read yet.

    Args:
        images: at least one.
        notices: what was passed over.
    """
    names = [readable_name(name) for name in images.names]
    rows = sorted(range(len(names)), key=lambda row: natural_key(names[row]))
    return ImageFiles(
        folder,
        tuple(names[row] for row in rows),
        np.zeros(len(rows), np.int64),
        (),
        images.take(np.array(rows, np.int64)),
        is_folder=True,
        notices=(*notices, _without_classes("no class folders")),
    )


def plain_table(path: Path, columns: TableColumns, source: Source, names: tuple[str, ...], *, why: str) -> ImageFiles:
    """The images of a table without labels, in its order; no image is read yet.

    Args:
        names: of all rows.
        why: there are no classes, in words.
    """
    images = TableImages(source, tuple(columns.images.values()))
    labels = np.zeros(len(names), np.int64)
    return ImageFiles(path, names, labels, (), images, notices=(_without_classes(why),))


def natural_key(name: str) -> tuple[list[str | int], str]:
    """A key that sorts numbers in names by their value; names that differ only in leading zeros by their text."""
    parts: list[str | int] = list(re.split(r"(\d+)", name))
    parts[1::2] = [int(part) for part in parts[1::2]]
    return parts, name


def _without_classes(why: str) -> Notice:
    return Notice(f"{why}, {_CONSEQUENCE}", is_warning=False)
