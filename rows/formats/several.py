"""Several files of one format as one table, in the order given.

Decisions a reader would question:
- The columns are those of the first file. Only those that are read have to be in every file; they go by name, and their
  types need not be one, if one holds them all (rows/widening.py).
- The number of each row's file travels with it in a hidden column: relative image paths are relative to their own file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifact.errors import DataError
from rows.cells import is_text, kind_name
from rows.formats.source import Source, files_fingerprint, picked
from rows.images import ImageRef
from rows.location import Location
from rows.widening import wider

_FILE = "\0file"


class SeveralFiles(Source):
    """The sources of the files."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._counts: dict[int, int] = {}  # of files that cannot count their rows, once they have been read
        self.files: tuple[Location, ...] = tuple(file for source in sources for file in source.files)
        self.schema = sources[0].schema

    @property
    def passed_over(self) -> Counter[str]:
        return sum((source.passed_over for source in self._sources), Counter())

    @property
    def notes(self) -> list[str]:
        return [note for source in self._sources for note in source.notes]

    def allow_images(self, max_bytes: int) -> None:
        for source in self._sources:
            source.allow_images(max_bytes)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        counts = [source.count_rows(columns) for source in self._sources]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        kinds: dict[str, pa.DataType] = {}
        for source, file in zip(self._sources, self.files, strict=True):
            self._require(source, columns, file)
            for field in source.settle(columns):
                known = kinds.setdefault(field.name, field.type)
                found = known if known.equals(field.type) else wider(known, field.type)
                if found is None:
                    raise self._other_type(field.name, kind_name(known), kind_name(field.type), file)
                kinds[field.name] = found
        self.schema = pa.schema([field.with_type(kinds.get(field.name, field.type)) for field in self.schema])
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        for number, source in enumerate(self._sources):
            self._require(source, columns, self.files[number])
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
                    yield self._settled(table.slice(left_out), columns, number)
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

    def _settled(self, table: pa.Table, columns: Sequence[str], number: int) -> pa.Table:
        """The rows in the types of the whole table, with the number of their file."""
        schema = picked(self.schema, columns)
        arrays = []
        for field in schema:
            column = table[field.name]
            if pa.types.is_floating(column.type) and is_text(field.type):  # NaN is no word
                column = pc.if_else(pc.is_nan(column), None, column)
            try:
                arrays.append(column if column.type.equals(field.type) else column.cast(field.type))
            except (pa.ArrowException, ValueError) as error:
                raise self._other_type(field.name, kind_name(field.type), str(error), self.files[number]) from None
        arrays.append(pa.chunked_array([np.full(table.num_rows, number, np.int32)]))
        return pa.Table.from_arrays(arrays, schema=schema.append(pa.field(_FILE, pa.int32())))

    def _require(self, source: Source, columns: Sequence[str], file: Location) -> None:
        for name in columns:
            count = source.schema.names.count(name)
            if count != 1:
                raise DataError(
                    f'column "{name}"',
                    expected=f"one in every file, as in {self.files[0].name}",
                    got="several" if count else f"none among {', '.join(source.schema.names)}",
                    where=file.name,
                )

    def _other_type(self, name: str, expected: str, got: str, file: Location) -> DataError:
        return DataError(
            f'column "{name}"',
            expected=f"{expected}, as in the files before",
            got=got,
            where=file.name,
            mend="write the column with one type in all files",
        )
