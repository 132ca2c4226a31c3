"""Images with their classes: a folder of class folders, or a table with an image and a label column.

Decisions a reader would question:
- A folder is read as the table that it is for scoring too (rows/formats/folder.py), with the same names and labels:
  the class is the first-level folder, however deep the image lies below it. Images that lie in no folder have no class
  and are passed over. The order is by class and then by name, where a table's is its own.
- Folders that hold no image are no classes. They are told by name, with what they hold: a class in a format that is not
  read would be lost otherwise.
- A table is read twice: first the labels, and then its images one after the other, so that a table that holds the
  images themselves need not fit in memory.
- Classes are sorted by value, numbers as numbers, and called by what stands in the cell.
- Rows of a table without a class are left out and told: nobody can say whose negative such an image may be.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import Indices
from artifact.errors import DataError
from artifact.listing import listed
from rows.formats.folder import FolderImages, FolderSource, list_images
from rows.formats.passed_over import LOOSE, counted, loses_images, no_images, passed_over_facts, passed_over_line
from rows.formats.source import Source
from rows.formats.split_folders import find_splits
from rows.location import readable_name
from trainer.data.image_files import ImageFiles
from trainer.data.notices import Notice, left_out, listed_rows
from trainer.data.plain_images import plain_folder, plain_table
from trainer.data.table_columns import IMAGE, TableColumns
from trainer.data.table_images import TableImages, class_values, column_values, image_names


def open_class_folder(
    folder: Path, *, what: str = "image folder", split_folders: bool = True, needs_classes: bool = True
) -> ImageFiles:
    """The images of a folder of class folders; no image is read yet.

    Args:
        what: names the folder in messages.
        split_folders: refuse a folder of splits (rows/formats/split_folders.py); False: they are classes.
        needs_classes: refuse images none of which lies in a class folder; False: they have no classes.

    Raises:
        DataError: no such folder, one that cannot be listed, splits, or no image in any class folder.
    """
    if not folder.is_dir():
        got = "a file" if folder.is_file() else "nothing there"
        expected = "a folder with one folder of images per class" if needs_classes else "a folder of images"
        raise DataError(what, expected=expected, got=got, where=folder)
    images = list_images(folder)
    source = FolderSource(images)
    names, labels = column_values(source, "id"), column_values(source, "label")
    rows = sorted((row for row, label in enumerate(labels) if label), key=lambda row: (labels[row], names[row]))
    if not rows and images and not needs_classes:
        return plain_folder(folder, images, _passed_over(images, 0))
    if not rows and not needs_classes:
        raise no_images(what, images.passed_over, expected="images", got="none", where=folder)
    if not rows:
        raise no_images(
            what,
            images.passed_over,
            expected="one folder of images per class",
            got="images outside any class folder" if images else "no image in any folder",
            where=folder,
            mend="put the images of each class into a folder of their own",
        )
    splits = _splits_notice(images, what) if split_folders else []
    numbers, classes = _numbered([labels[row] for row in rows])
    return ImageFiles(
        folder,
        tuple(names[row] for row in rows),
        numbers,
        classes,
        images.take(np.array(rows, np.int64)),
        is_folder=True,
        notices=(*splits, *_passed_over(images, len(images) - len(rows)), *_empty_classes(images, classes)),
    )


def open_class_table(path: Path, columns: TableColumns, source: Source, *, needs_classes: bool = True) -> ImageFiles:
    """The images of a table with their classes; no image is read yet.

    Args:
        needs_classes: refuse a table without any label; False: its images have no classes.

    Raises:
        DataError: a table that cannot be read further down, or one without any label.
    """
    if columns.label is None:
        names = image_names(source, columns.images[IMAGE])
        return plain_table(path, columns, source, names, why="no label column")
    values = class_values(source, columns.label, where=path.name)
    missing = [row for row, value in enumerate(values) if value is None or value == ""]
    if missing and len(missing) == len(values) and not needs_classes:
        names = image_names(source, columns.images[IMAGE])
        return plain_table(path, columns, source, names, why=f'nothing in the label column "{columns.label}"')
    if len(missing) == len(values):
        raise DataError(f'label column "{columns.label}"', expected="a class in some rows", got="none", where=path.name)
    images = TableImages(source, tuple(columns.images.values()))
    names = image_names(source, images.columns[0])
    notices = [Notice(note, is_warning=False) for note in source.notes]
    if missing:
        kept = np.setdiff1d(np.arange(len(values)), missing)
        images = TableImages(source, images.columns, kept)
        names, values = tuple(names[row] for row in kept), [values[row] for row in kept]
        number = left_out(len(missing), "row without a class", "rows without a class")
        notices.append(Notice(f"{number}: {listed_rows(missing, source)}", {"rows": len(missing)}))
    labels, classes = _numbered(values)
    return ImageFiles(path, names, labels, classes, images, notices=tuple(notices))


def _passed_over(images: FolderImages, num_loose: int) -> list[Notice]:
    """What the folder holds besides; a warning where pictures are among it."""
    counts = images.passed_over + Counter({LOOSE: num_loose})
    line = passed_over_line(counts, images.unlisted)
    if line is None:
        return []
    return [Notice(line, passed_over=passed_over_facts(counts), is_warning=loses_images(counts))]


def _splits_notice(images: FolderImages, what: str) -> list[Notice]:
    """The warning for folders that may be splits; raises DataError where they surely are."""
    splits = find_splits(images.names)
    if splits is None:
        return []
    named, commands = ", ".join(map(readable_name, splits.folders)), splits.commands(images.folder)
    if not splits.is_sure:
        return [Notice(f"the classes are called as splits are ({named}); if they are splits, use {commands}")]
    raise DataError(
        what,
        expected="one folder of images per class",
        got=f"splits of a data set with the same folders in each: {named}",
        where=images.folder,
        mend=f"use {commands}; if the classes are really called so, --set split_folders=false",
    )


def _empty_classes(images: FolderImages, classes: tuple[str, ...]) -> list[Notice]:
    """The warning for first-level folders that hold no image that is read."""
    known = set(classes)
    lost = {readable_name(name): counts for name, counts in images.by_folder.items() if name}
    shown = [f"{name} ({counted(counts)})" for name, counts in sorted(lost.items()) if name not in known]
    if not shown:
        return []
    hold = "1 folder holds no image that is read and is no class"
    if len(shown) > 1:
        hold = f"{len(shown):,} folders hold no image that is read and are no classes"
    return [Notice(f"{hold}: {listed(shown)}", {"folders_without_images": len(shown)})]


def _numbered(values: list[Any]) -> tuple[Indices, tuple[str, ...]]:
    """int64 [rows], and the names of the classes in order."""
    kinds = sorted(set(values))
    numbers = {value: number for number, value in enumerate(kinds)}
    return np.array([numbers[value] for value in values], np.int64), tuple(map(str, kinds))
