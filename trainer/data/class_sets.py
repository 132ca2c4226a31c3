"""Images with their classes: a folder of class folders, or a table with an image and a label column.

Decisions a reader would question:
- A folder is read as the table that it is for scoring too (rows/formats/folder.py), with the same names and labels:
  the class is the first-level folder, however deep the image lies below it. Images that lie in no folder have no class
  and are passed over. The order is by class and then by name, where a table's is its own.
- A table is read twice: first the labels, and then its images one after the other, so that a table that holds the
  images themselves need not fit in memory.
- Classes are sorted by value, numbers as numbers, and called by what stands in the cell.
- An image of a table without a class is refused, and not skipped: nobody can say whose negative it may be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.cells import is_text
from rows.formats.folder import FolderSource, list_images
from rows.formats.source import Source
from rows.text_images import is_written_image
from trainer.data.image_files import ImageFiles
from trainer.data.table_columns import TableColumns
from trainer.data.table_images import TableImages, column_values, listed_rows


def open_class_folder(folder: Path, *, what: str = "image folder") -> ImageFiles:
    """The images of a folder of class folders; no image is read yet.

    Args:
        what: names the folder in messages.

    Raises:
        DataError: no such folder, one that cannot be listed, or no image in any class folder.
    """
    if not folder.is_dir():
        got = "a file" if folder.is_file() else "nothing there"
        raise DataError(what, expected="a folder with one folder of images per class", got=got, where=folder)
    images = list_images(folder)
    source = FolderSource(images)
    names, labels = column_values(source, "id"), column_values(source, "label")
    rows = sorted((row for row, label in enumerate(labels) if label), key=lambda row: (labels[row], names[row]))
    if not rows:
        raise DataError(
            what,
            expected="one folder of images per class",
            got="images outside any class folder" if images else "no image in any folder",
            where=folder,
            mend="put the images of each class into a folder of their own",
        )
    numbers, classes = _numbered([labels[row] for row in rows])
    chosen = images.take(np.array(rows, np.int64))
    return ImageFiles(folder, tuple(names[row] for row in rows), numbers, classes, chosen, is_folder=True)


def open_class_table(path: Path, columns: TableColumns, source: Source) -> ImageFiles:
    """The images of a table with their classes; no image is read yet.

    Raises:
        DataError: a table that cannot be read further down, or a label that is missing.
    """
    values = column_values(source, str(columns.label))
    missing = [row for row, value in enumerate(values) if value is None or value == ""]
    if missing:
        raise DataError(
            f'label column "{columns.label}"',
            expected="a class in every row",
            got=f"none in {listed_rows(missing)}",
            where=path.name,
            mend="fill it, or remove the rows",
        )
    labels, classes = _numbered(values)
    images = TableImages(source, tuple(columns.images.values()))
    return ImageFiles(path, _names(source, images.columns[0], len(labels)), labels, classes, images)


def _numbered(values: list[Any]) -> tuple[Indices, tuple[str, ...]]:
    """int64 [rows], and the names of the classes in order."""
    kinds = sorted(set(values))
    numbers = {value: number for number, value in enumerate(kinds)}
    return np.array([numbers[value] for value in values], np.int64), tuple(map(str, kinds))


def _names(source: Source, column: str, num_rows: int) -> tuple[str, ...]:
    """What messages call each image: its path as it stands in the table, else its row."""
    cells = column_values(source, column) if is_text(source.schema.field(column).type) else [None] * num_rows
    return tuple(cell if cell and not is_written_image(cell) else f"row {row}" for row, cell in enumerate(cells))
