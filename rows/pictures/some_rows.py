"""Thumbnails of some rows of a table: each entered at its place where that is quick, else all from one reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from artifact.images.image_error import ImageError
from rows.pictures.joined import Pictures
from rows.pictures.thumbnail import Thumbnail


def thumbnails_of(pictures: Pictures, rows: Sequence[int], px: int) -> Iterator[tuple[int, Thumbnail | str]]:
    """(row, thumbnail, or why there is none) of each of some rows, in any order.

    A table that cannot be entered at a row is read once, up to the last of them, and no other picture is decoded.

    Args:
        rows: numbers of rows, none twice.
        px: longest side at most, in pixels.

    Raises:
        UsageError: px out of range. DataError: the table is broken further down.
    """
    if pictures.can_read_any or pictures.has_written(px):
        for row in rows:
            try:
                yield row, pictures.thumbnail(row, px)
            except ImageError as error:
                yield row, str(error)
        return
    few = pictures.of_rows(rows)
    for at, small in few.thumbnails(px):
        yield rows[at], small
    for bad in few.bad:
        yield rows[bad.row], bad.reason
