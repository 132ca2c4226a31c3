"""Pictures as commands are told of them: options that name a table of images, and how it is opened for a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from artifact.kinds import BRANCH_INPUT
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S

if TYPE_CHECKING:
    from artifact.images.limits import Limits
    from rows.pictures.joined import Pictures
    from rows.vectors.named_images import NamedImages
    from rows.vectors.table import VectorTable

IMAGES = typer.Option(
    "--images",
    help="Image folder, or a table of images with these ids: a file, a pattern, a URL. [default: what was scored]",
    metavar="TABLE",
)
IMAGE_COLUMN = typer.Option("--image-column", help="Column of the images in that table.", metavar="C")
IMAGE_ID_COLUMN = typer.Option("--image-id-column", help="Column of the ids in that table.", metavar="C")
NO_PICTURES = "no pictures: nothing says which images these are, or they are not there; name them with --images TABLE"
"""What is told where `open_table_pictures` gives None."""


def image_columns(image_column: str | None) -> Mapping[str, str] | None:
    """--image-column as rows.tables.open_table takes it."""
    return None if image_column is None else {BRANCH_INPUT: image_column}


def named_images(
    images: str | None, image_column: str | None = None, image_id_column: str | None = None
) -> NamedImages | None:
    """The table that the options name; None where --images is not given.

    Raises:
        UsageError: columns of no table. DataError: the table cannot be opened: told before any work begins.
    """
    from artifact.errors import UsageError
    from rows.pictures.folders import is_image_folder
    from rows.tables import open_table
    from rows.vectors.named_images import NamedImages

    columns = image_columns(image_column)
    if images is None:
        if columns is not None or image_id_column is not None:
            raise UsageError("column of images", expected="--images TABLE, which it is of", got="no table")
        return None
    if columns is not None or image_id_column is not None or not is_image_folder(images):
        with _own_words():
            open_table(images, columns=columns, id_column=image_id_column)
    return NamedImages(source=images, columns=columns or {}, id_column=image_id_column)


def open_table_pictures(
    table: VectorTable,
    images: str | None,
    image_column: str | None = None,
    image_id_column: str | None = None,
    *,
    limits: Limits | None = None,
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
) -> Pictures | None:
    """The pictures of a table's rows as the options name them; see rows.pictures.joined.open_pictures."""
    from artifact.images.limits import DEFAULT_LIMITS
    from rows.pictures.joined import open_pictures

    with _own_words():
        return open_pictures(
            table,
            images,
            columns=image_columns(image_column),
            id_column=image_id_column,
            limits=limits or DEFAULT_LIMITS,
            read_timeout_s=read_timeout_s,
        )


def pictures_or_note(
    table: VectorTable, images: str | None, image_column: str | None, image_id_column: str | None
) -> Pictures | None:
    """The same for a page; where nobody knows the pictures, stderr says how to name them."""
    from lookalike import console

    pictures = open_table_pictures(table, images, image_column, image_id_column)
    if pictures is None:
        console.note(NO_PICTURES)
    return pictures


@contextmanager
def _own_words() -> Iterator[None]:
    """Name the option that these commands have for the column of images, in an error that names that of `score`."""
    from artifact.errors import DataError

    try:
        yield
    except DataError as error:
        if "--columns" not in (error.mend or ""):
            raise
        raise error.but(mend="name the right column with --image-column") from None
