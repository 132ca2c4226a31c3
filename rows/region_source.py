"""A table whose images are regions, for those who read columns of a source themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from rows.formats.source import Source
from rows.images import ImageRef
from rows.regions import RegionColumns, RegionOptions, find_regions


class RegionSource(Source):
    """A source that gives the region of each row where it is asked for the row's image.

    Args:
        source: opened with its objects (rows/formats/reading.py).
        images: columns of images; the columns of the boxes are read with them.
        where: the table, for messages.

    Raises:
        DataError, UsageError: as rows.regions.find_regions.
    """

    def __init__(self, source: Source, options: RegionOptions, images: Sequence[str], *, where: str) -> None:
        self._source, self._images = source, frozenset(images)
        self._regions: RegionColumns = find_regions(
            source.schema, source.boxes, options, where=where, settle=source.settle
        )
        self.schema, self.files, self.boxes = source.schema, source.files, self._regions.boxes

    @property
    def passed_over(self) -> Counter[str]:
        return self._source.passed_over

    @property
    def notes(self) -> list[str]:
        return self._source.notes

    @property
    def variant(self) -> str:
        return self._source.variant

    def allow_images(self, max_bytes: int) -> None:
        self._source.allow_images(max_bytes)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return self._source.count_rows(self._needed(columns))

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        settled = self._source.settle(self._needed(columns))
        return pa.schema([settled.field(name) for name in columns])

    def fingerprint(self) -> str:
        return self._source.fingerprint()

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        return self._source.chunks(self._needed(columns), start_row=start_row, max_rows=max_rows, max_bytes=max_bytes)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return self._regions.applied(table, self._source.images(table, column))

    def _needed(self, columns: Sequence[str]) -> list[str]:
        """The columns with those of the boxes, where images are among them."""
        more = self._regions.read if self._images & set(columns) else ()
        return list(dict.fromkeys((*columns, *more)))
