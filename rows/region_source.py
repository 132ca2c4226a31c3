"""A table whose images are regions, for those who read columns of a source themselves."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from rows.formats.source import Source, Wrapped
from rows.images import ImageRef
from rows.regions import RegionColumns, RegionOptions, find_regions


class RegionSource(Wrapped):
    """A source that gives the region of each row where it is asked for the row's image.

    Args:
        source: opened with its objects (rows/formats/reading.py).
        images: columns of images; the columns of the boxes are read with them.
        where: the table, for messages.

    Raises:
        DataError, UsageError: as rows.regions.find_regions.
    """

    def __init__(self, source: Source, options: RegionOptions, images: Sequence[str], *, where: str) -> None:
        super().__init__(source)
        self._images = frozenset(images)
        self._regions: RegionColumns = find_regions(
            source.schema, source.boxes, options, where=where, settle=source.settle
        )
        self.boxes = self._regions.boxes

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return self._regions.applied(table, self._source.images(table, column))

    def _needed(self, columns: Sequence[str]) -> list[str]:
        """The columns with those of the boxes, where images are among them."""
        more = self._regions.read if self._images & set(columns) else ()
        return list(dict.fromkeys((*columns, *more)))
