"""Tables of images with their attributes: each row names an image and says what is known of it.

Decisions a reader would question:
- What a column is, and which categories it has, follows from all rows of the table; means and scales from those that
  are trained on. So a held-out image may be of a category that no image in training has, and is still measured.
- Rows of which nothing is known at all are left out and told, and of a table of its own to validate on those with a
  value that the training table has not.
- The same image with the same attributes twice is one row; with others it stays, for a thing may be called both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import Indices, Vectors
from artifact.attributes import Attributes, known_values
from artifact.errors import DataError
from artifact.listing import listed
from rows.columns import SINGLE_STREAM_NAMES, require_images
from rows.formats.source import Source
from trainer.data.image_files import ImageFiles
from trainer.data.images import BadImage, Images
from trainer.data.notices import Notice, left_out, listed_rows
from trainer.data.table_columns import IMAGE
from trainer.data.table_images import TableImages, columns_values, image_names

Columns = Mapping[str, Sequence[Any]]
"""{attribute: its value of each image}."""


@dataclass(frozen=True, kw_only=True)
class AttributeFiles:
    """A table of images with attributes before its images are read.

    Attributes:
        files: its images, without classes.
        columns: of each of them.
        notices: what the user should know of rows that were left out.
    """

    files: ImageFiles
    columns: Columns
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TowerRows:
    """The attributes of images as the tower takes them.

    Attributes:
        attributes: their types, categories and statistics.
        train: float32 [images, A] of those that are trained on.
        held_out: float32 [images, A] of those held out, or None.
    """

    attributes: Attributes
    train: Vectors
    held_out: Vectors | None = None


def open_attribute_table(
    path: Path, columns: Mapping[str, str], attributes: Sequence[str], source: Source
) -> AttributeFiles:
    """The images of a table and their attributes; no image is decoded yet.

    Args:
        columns: {"image": its column}, or empty: then it is looked for.
        attributes: columns, in their order.

    Raises:
        DataError: a column that is not there, or of the wrong type.
    """
    if "id" in attributes:
        what = "attribute 'id'"
        mend = "call that column something else"
        raise DataError(what, expected="a column that names no rows", got="the ids", where=path.name, mend=mend)
    image = _image_column(columns, source, path)
    for name in attributes:
        _require_column(name, source, path, mend="name the right ones with --attributes")
    if image in attributes:
        what = f"attribute {image!r}"
        raise DataError(what, expected="another column than that of the images", got="the same", where=path.name)
    require_images(source.settle([image]).field(image).type, IMAGE, image, path.name)
    source.settle([image, *attributes])
    values = {name: known_values(cells) for name, cells in columns_values(source, attributes).items()}
    names = image_names(source, image)
    empty = [row for row in range(len(names)) if all(column[row] is None for column in values.values())]
    images, notices = TableImages(source, (image,)), list[Notice]()
    if empty:
        kept = np.setdiff1d(np.arange(len(names)), empty)
        if not len(kept):
            raise DataError("attributes", expected="a value in some row", got="none", where=path.name)
        images = TableImages(source, (image,), kept)
        names, values = tuple(names[row] for row in kept), _taken(values, kept)
        told = left_out(len(empty), "row without any attribute", "rows without any attribute")
        notices.append(Notice(f"{told}: {listed_rows(empty, source)}", {"rows": len(empty)}))
    files = ImageFiles(path, names, np.zeros(len(names), np.int64), (), images)
    return AttributeFiles(files=files, columns=values, notices=tuple(notices))


def usable_rows(opened: AttributeFiles, images: Images, bad: Sequence[BadImage]) -> tuple[Images, Columns]:
    """The images that could be read, each with the same attributes once, and their attributes.

    Args:
        images, bad: what `read_images` made of `opened.files`.
    """
    good = np.setdiff1d(np.arange(len(opened.files)), [each.index for each in bad])
    columns = _taken(opened.columns, good)
    first: dict[tuple[str, ...], int] = {}
    for row, digest in enumerate(images.hashes):
        first.setdefault((digest, *(repr(column[row]) for column in columns.values())), row)
    kept = np.array(sorted(first.values()), np.int64)
    return (images, columns) if len(kept) == len(images) else (images.take(kept), _taken(columns, kept))


def taken(columns: Columns | None, rows: Indices) -> Columns | None:
    """The attributes of some of the images; None of none."""
    return None if columns is None else _taken(columns, rows)


def combinations(columns: Columns) -> list[str]:
    """The combination of attributes of each image, as text; numbers that are nearly the same count as the same.

    Raises:
        DataError: a column that tells no row from another, or is none.
    """
    names = list(columns)
    attributes = Attributes.fit(columns, names)
    rows, _ = attributes.encode(columns, len(columns[names[0]]))
    return [np.round(row).astype(np.int64).tobytes().hex() for row in rows]


def columns_digest(columns: Columns, hashes: Sequence[str]) -> str:
    """Hash over each image's content with its attributes, whatever their order; hexadecimal."""
    lines = sorted(
        f"{digest} {[(name, repr(column[row])) for name, column in columns.items()]}"
        for row, digest in enumerate(hashes)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def encode_rows(
    train: Columns, held_out: Columns | None, *, where: Path, held_out_where: Path | None, held_out_names: Sequence[str]
) -> tuple[TowerRows, Indices | None, list[Notice]]:
    """Find out what the attributes are, and encode them.

    Args:
        train, held_out: of the images on both sides.
        where: the table, for messages.
        held_out_where: the table of those held out; None: the same, and all of its rows say what a column is.
        held_out_names: what messages call each image that is held out.

    Returns:
        The rows; which of the held-out ones they are, where some were left out; and what the user should know of these.

    Raises:
        DataError: a column that tells no row from another, or is none; nothing left to validate on.
    """
    names = list(train)
    every = {name: [*train[name], *held_out[name]] for name in names} if held_out and held_out_where is None else train
    attributes = Attributes.fit(every, names, where=where.name).with_statistics(train)
    rows, bad = attributes.encode(train, len(train[names[0]]))
    if bad:
        raise DataError(f"row {bad[0].row}", got=bad[0].reason, where=where.name)
    if held_out is None:
        return TowerRows(attributes=attributes, train=rows), None, []
    of_held_out, bad = attributes.encode(held_out, len(held_out[names[0]]))
    if not bad:
        return TowerRows(attributes=attributes, train=rows, held_out=of_held_out), None, []
    kept = np.setdiff1d(np.arange(len(of_held_out)), [each.row for each in bad])
    reasons = listed([f"{held_out_names[each.row]}: {each.reason}" for each in bad], limit=3, separator="; ")
    if not len(kept):
        place = (held_out_where or where).name
        raise DataError("validation table", expected="attributes of the training table", got=reasons, where=place)
    told = left_out(len(bad), "held-out row", "held-out rows")
    notice = Notice(f"{told}, whose attributes the training table has not: {reasons}", {"rows": len(bad)})
    return TowerRows(attributes=attributes, train=rows, held_out=of_held_out[kept]), kept, [notice]


def _taken(columns: Columns, rows: Indices) -> dict[str, list[Any]]:
    return {name: [column[row] for row in rows.tolist()] for name, column in columns.items()}


def _image_column(columns: Mapping[str, str], source: Source, path: Path) -> str:
    if IMAGE in columns:
        _require_column(columns[IMAGE], source, path, mend="name the right one with --columns image=...")
        return columns[IMAGE]
    found = next((name for name in (IMAGE, *SINGLE_STREAM_NAMES) if name in source.schema.names), None)
    if found is None:
        got, mend = ", ".join(source.schema.names), "name it with --columns image=..."
        raise DataError("table with attributes", expected="a column image", got=got, where=path.name, mend=mend)
    return found


def _require_column(name: str, source: Source, path: Path, *, mend: str) -> None:
    there = source.schema.names
    if there.count(name) != 1:
        got = "several of that name" if name in there else "no such column"
        expected = "one column of that name" if name in there else f"one of {listed(there, limit=20)}"
        raise DataError(f'column "{name}"', expected=expected, got=got, where=path.name, mend=mend)
