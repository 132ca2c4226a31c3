"""Pictures as commands are told of them: options that name a table of images, and how it is opened for a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from artifact.errors import UsageError
from artifact.kinds import BRANCH_INPUT

if TYPE_CHECKING:
    from artifact.images.limits import Limits
    from rows.pictures.joined import Pictures
    from rows.vectors.named_images import NamedImages
    from rows.vectors.table import VectorTable

NamedAs: TypeAlias = tuple[str | None, str | None, str | None]
"""--images, --image-column and --image-id-column, as they were given."""

IMAGES = typer.Option(
    "--images",
    help="Image folder, or a table of images with these ids: a file, a pattern, a URL. [default: what was scored]",
    metavar="TABLE",
)
IMAGE_COLUMN = typer.Option("--image-column", help="Column of the images in that table.", metavar="C")
IMAGE_ID_COLUMN = typer.Option("--image-id-column", help="Column of the ids in that table.", metavar="C")
NO_PICTURES = "no pictures: nothing says which images these are, or they are not there; name them with --images TABLE"
"""What is told where `open_table_pictures` gives None."""


def _columns_of(images: str | None, image_column: str | None, image_id_column: str | None) -> Mapping[str, str] | None:
    """--image-column as rows.tables.open_table takes it; raises UsageError for columns of no table."""
    if images is None and (image_column is not None or image_id_column is not None):
        raise UsageError("column of images", expected="--images TABLE, which it is of", got="no table")
    return None if image_column is None else {BRANCH_INPUT: image_column}


def named_images(
    images: str | None, image_column: str | None = None, image_id_column: str | None = None
) -> NamedImages | None:
    """The table that the options name; None where --images is not given.

    Raises:
        UsageError: columns of no table. DataError: the table cannot be opened: told before any work begins.
    """
    from rows.pictures.folders import is_image_folder
    from rows.tables import open_table
    from rows.vectors.named_images import NamedImages

    columns = _columns_of(images, image_column, image_id_column)
    if images is None:
        return None
    if columns is not None or image_id_column is not None or not is_image_folder(images):
        with _own_words():
            open_table(images, columns=columns, id_column=image_id_column)
    return NamedImages(source=images, columns=columns or {}, id_column=image_id_column)


def of_both(
    images: str | None, other_images: str | None, image_column: str | None, image_id_column: str | None
) -> tuple[NamedAs, NamedAs]:
    """(table, column, column of ids) of a set and of another: the columns are those of each table that is named."""
    columns = (image_column, image_id_column)
    first = columns if images is not None or other_images is None else (None, None)
    return (images, *first), (other_images, *(columns if other_images is not None else (None, None)))


def require_shown(
    is_shown: bool,
    by: str,
    images: str | None,
    image_column: str | None,
    image_id_column: str | None,
    **more: str | None,
) -> None:
    """Refuse options of pictures that nothing shows.

    Args:
        by: the option that shows them.
        more: {parameter: its value} of further ones.

    Raises:
        UsageError: names the first that is given.
    """
    options = {"images": images, "image_column": image_column, "image_id_column": image_id_column, **more}
    first = next((name for name, value in options.items() if value is not None), None)
    if first is not None and not is_shown:
        raise UsageError(f"--{first.replace('_', '-')}", expected=f"{by}, which shows them", got="none")


def image_limits(max_megapixels: float, max_image_mb: float) -> Limits:
    """What --max-megapixels and --max-image-mb say; raises UsageError for a limit that is none."""
    from artifact.images.limits import Limits
    from artifact.limit_options import require_limits

    require_limits(max_megapixels, max_image_mb)
    return Limits.of(max_megapixels=max_megapixels, max_image_mb=max_image_mb)


def reading_options(max_megapixels: float, max_image_mb: float, read_timeout_s: float) -> dict[str, Any]:
    """{"limits", "read_timeout_s"} of what reads pictures; raises UsageError for a value that makes no sense."""
    from artifact.limit_options import require_read_timeout

    require_read_timeout(read_timeout_s)
    return {"limits": image_limits(max_megapixels, max_image_mb), "read_timeout_s": read_timeout_s}


def open_table_pictures(
    table: VectorTable,
    images: str | None,
    image_column: str | None = None,
    image_id_column: str | None = None,
    *,
    limits: Limits,
    read_timeout_s: float,
) -> Pictures | None:
    """The pictures of a table's rows as the options name them; see rows.pictures.opened.open_pictures.

    Raises:
        UsageError: columns of no table. DataError: the table cannot be opened.
    """
    from rows.pictures.opened import open_pictures

    with _own_words():
        return open_pictures(
            table,
            images,
            columns=_columns_of(images, image_column, image_id_column),
            id_column=image_id_column,
            limits=limits,
            read_timeout_s=read_timeout_s,
        )


def pictures_or_note(
    table: VectorTable,
    images: str | None,
    image_column: str | None,
    image_id_column: str | None,
    *,
    limits: Limits,
    read_timeout_s: float,
) -> Pictures | None:
    """The same for a page; where nobody knows the pictures, stderr says how to name them."""
    from lookalike import console

    reading: dict[str, Any] = {"limits": limits, "read_timeout_s": read_timeout_s}
    pictures = open_table_pictures(table, images, image_column, image_id_column, **reading)
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
