"""Several files of one format as one table, in the order given.

The number of each row's file travels with it in a hidden column: relative image paths are relative to their own file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from artifact.errors import DataError
from rows.formats.source import Source, files_fingerprint
from rows.images import ImageRef
from rows.location import Location

_FILE = "\0file"


class SeveralFiles:
    """The sources of the files, all of one schema."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._counts: dict[int, int] = {}  # of files that cannot count their rows, once they have been read
        self.files: tuple[Location, ...] = tuple(file for source in sources for file in source.files)
        self.schema = sources[0].schema
        for source, file in zip(sources, self.files, strict=True):
            if not source.schema.equals(self.schema):
                raise DataError(
                    "table", expected=f"the columns of {self.files[0].name}", got="other columns", where=file.name
                )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Those of the files."""
        return tuple(self._sources)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        counts = [source.count_rows(columns) for source in self._sources]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        for number, source in enumerate(self._sources):
            count = source.count_rows(columns)
            if count is None:
                count = self._counts.get(number)
            if count is not None and start_row >= count:
                start_row -= count
                continue
            # a file of unknown length has to be counted on the way, unless it is read from its start anyway
            skip = start_row if count is not None else 0
            seen = skip
            for table in source.chunks(columns, start_row=skip, max_rows=max_rows, max_bytes=max_bytes):
                left_out = min(max(0, start_row - seen), table.num_rows)
                seen += table.num_rows
                if left_out < table.num_rows:
                    yield _numbered(table.slice(left_out), number)
            self._counts[number] = seen
            start_row = max(0, start_row - seen)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        numbers = table[_FILE].to_numpy()
        borders = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        refs: list[ImageRef] = []
        for start, end in pairwise(borders):
            if start < end:
                refs += self._sources[int(numbers[start])].images(table.slice(start, end - start), column)
        return refs


def _numbered(table: pa.Table, number: int) -> pa.Table:
    return table.append_column(_FILE, pa.array(np.full(table.num_rows, number, np.int32)))
