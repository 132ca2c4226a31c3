"""Small pictures of the rows of several tables, for sheets; and why there are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from artifact.images.limits import Limits
from artifact.kinds import BRANCH_INPUT
from rows.pictures.joined import Pictures
from rows.pictures.opened import open_pictures
from rows.pictures.thumbnail import Thumbnail
from rows.vectors.table import VectorTable

NO_PICTURES = "There are no pictures in this page: nothing says which images the rows are of. Write it with --images."
LEFT_OUT = "There are no pictures in this page: it was written without thumbnails."


class TablePictures:
    """The pictures of tables whose rows stand one after the other.

    Args:
        tables: of vectors.
        images: a table of images for each, or for all if it is one; none: what the tables' jobs name.
        image_column, image_id_column: of those tables, where others are meant than the default.
        limits: larger images are not read.

    Raises:
        DataError: one of `images` cannot be opened.
    """

    def __init__(
        self,
        tables: Sequence[VectorTable],
        images: Sequence[str],
        *,
        image_column: str | None = None,
        image_id_column: str | None = None,
        limits: Limits,
    ) -> None:
        named: Sequence[str | None] = images or [None]
        if len(named) == 1:
            named = [named[0]] * len(tables)
        columns = None if image_column is None else {BRANCH_INPUT: image_column}
        self.parts: list[tuple[int, Pictures | None]] = []
        first_row = 0
        for table, source in zip(tables, named, strict=True):
            opened = open_pictures(table, source, columns=columns, id_column=image_id_column, limits=limits)
            self.parts.append((first_row, opened))
            first_row += table.num_rows

    @property
    def any(self) -> bool:
        """Whether any table has pictures."""
        return any(pictures is not None for _, pictures in self.parts)

    def thumbnails(self, px: int) -> Iterator[tuple[int, Thumbnail]]:
        """(row of all, thumbnail), each row once; the tables of images are read in order, once."""
        for first_row, pictures in self.parts:
            for row, thumbnail in pictures.thumbnails(px) if pictures is not None else ():
                yield first_row + row, thumbnail

    def part_of(self, row: int) -> tuple[Pictures | None, int]:
        """The pictures of the table that a row is of, None where it has none, and the row's number there."""
        first_row, pictures = next(part for part in reversed(self.parts) if part[0] <= row)
        return pictures, row - first_row

    @property
    def notes(self) -> list[str]:
        """What was odd, after the thumbnails were read."""
        return [note for _, pictures in self.parts if pictures is not None for note in pictures.notes]

    @property
    def num_missing(self) -> int:
        """Rows of tables with pictures that have none, after the thumbnails were read."""
        return sum(len(pictures.bad) for _, pictures in self.parts if pictures is not None)
