"""Several files of one format as one table, in the order given.

Decisions a reader would question:
- The columns are those of the first file, and `label` wherever a file has it, for nobody asks for that by name. Only
  those that are read have to be in every file, and `label` not even then: it is empty in a file without it. They go by
  name, and their types need not be one, if one holds them all (rows/widening.py).
- A column that has no value in a file may have any type there. Where types alone do not tell that no value is lost, the
  cells of that column are looked at beforehand.
- The number of each row's file travels with it in a hidden column: relative image paths are relative to their own file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import NoReturn

import numpy as np
import pyarrow as pa

from artifact.errors import DataError
from rows.cells import kind_name
from rows.formats.passed_over import passed_over_line
from rows.formats.source import LABEL, Source, files_fingerprint, picked
from rows.images import ImageRef
from rows.location import Location, readable_name
from rows.widening import as_text, holds, retyped, wider, widest

_FILE = "\0file"
_NOTES = 3
_ROWS_PER_LOOK, _BYTES_PER_LOOK = 8192, 1 << 22


class SeveralFiles(Source):
    """The sources of the files."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._counts: dict[int, int] = {}  # of files that cannot count their rows, once they have been read
        self.files: tuple[Location, ...] = tuple(file for source in sources for file in source.files)
        self.schema, self.boxes = sources[0].schema, sources[0].boxes
        labels = [source.schema.field(LABEL) for source in sources if source.schema.names.count(LABEL) == 1]
        if LABEL not in self.schema.names and labels:
            self.schema = self.schema.append(labels[0])

    @property
    def passed_over(self) -> Counter[str]:
        return sum((source.passed_over for source in self._sources), Counter())

    @property
    def notes(self) -> list[str]:
        line = passed_over_line(self.passed_over)
        others = [
            note for source in self._sources for note in source.notes if note != passed_over_line(source.passed_over)
        ]
        if len(others) > _NOTES:
            others[_NOTES:] = [f"so it is in {len(others) - _NOTES:,} more files"]
        return [*([line] if line else []), *others]

    @property
    def variant(self) -> str:
        variants = {number: source.variant for number, source in enumerate(self._sources) if source.variant}
        return repr(variants) if variants else ""

    def allow_images(self, max_bytes: int) -> None:
        for source in self._sources:
            source.allow_images(max_bytes)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        counts = [
            source.count_rows([name for name in columns if name in source.schema.names]) for source in self._sources
        ]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        kinds: dict[str, dict[int, pa.DataType]] = {name: {} for name in columns}
        for number, source in enumerate(self._sources):
            for field in source.settle(self._present(columns, number)):
                kinds[field.name][number] = field.type
        settled = {name: self._type_of(name, found) for name, found in kinds.items()}
        self.schema = pa.schema([field.with_type(settled.get(field.name, field.type)) for field in self.schema])
        return picked(self.schema, columns)

    def _type_of(self, name: str, kinds: Mapping[int, pa.DataType]) -> pa.DataType:
        """The type that holds a column, of which each file's is known; looks at cells only where types do not tell."""
        found = widest(kinds.values())
        if found is not None and all(holds(found, kind) for kind in kinds.values()):
            return found
        # a column without a value has a type by chance: pandas calls it float64
        told = {number: kind for number, kind in kinds.items() if not self._is_empty(name, number)}
        found = widest(told.values())
        if found is None:
            self._refuse(name, told)
        elif not all(holds(found, kind) or self._goes_into(name, number, found) for number, kind in told.items()):
            found = as_text(told.values())
            assert found is not None  # numbers and dates can be written
        return found

    def _is_empty(self, name: str, number: int) -> bool:
        return all(table[name].null_count == table.num_rows for table in self._cells(name, number))

    def _goes_into(self, name: str, number: int, kind: pa.DataType) -> bool:
        try:
            for table in self._cells(name, number):
                retyped(table[name], kind)
        except (pa.ArrowException, ValueError):
            return False
        return True

    def _cells(self, name: str, number: int) -> Iterator[pa.Table]:
        """One column of a file up to a damage: whoever reads the rows comes to it, and tells."""
        with suppress(DataError):
            yield from self._sources[number].chunks(
                [name], start_row=0, max_rows=_ROWS_PER_LOOK, max_bytes=_BYTES_PER_LOOK
            )

    def _refuse(self, name: str, kinds: Mapping[int, pa.DataType]) -> NoReturn:
        before: pa.DataType = pa.null()
        for number, kind in kinds.items():
            found = wider(before, kind)
            if found is None:
                raise self._other_type(name, kind_name(before), kind_name(kind), self.files[number])
            before = found
        raise AssertionError("types that have none in common")

    @property
    def stamp_of_others(self) -> str:
        return " ".join(filter(None, (source.stamp_of_others for source in self._sources)))

    def fingerprint(self) -> str:
        found, more = files_fingerprint(self.files), self.variant + self.stamp_of_others
        return hashlib.sha256((found + more).encode()).hexdigest() if more else found

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        for number, source in enumerate(self._sources):
            present = self._present(columns, number)
            count = source.count_rows(present)
            if count is None:
                count = self._counts.get(number)
            if count is not None and start_row >= count:
                start_row -= count
                continue
            # a file of unknown length has to be counted on the way, unless it is read from its start anyway
            skip = start_row if count is not None else 0
            seen = skip
            for table in source.chunks(present, start_row=skip, max_rows=max_rows, max_bytes=max_bytes):
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

    def places(self, rows: Sequence[int]) -> list[str]:
        """Lines are those of a file, which is named; rows are counted over all files, as they are read."""
        if self._sources[0].lines([]) is None:
            return super().places(rows)
        found: dict[int, str] = {}
        first = 0
        for number, source in enumerate(self._sources):
            if len(found) == len(set(rows)):
                break
            end = first + self._num_rows(number)
            own = [row for row in rows if first <= row < end]
            in_file = source.places([row - first for row in own])
            found |= {row: f"{place} of {readable_name(source.name)}" for row, place in zip(own, in_file, strict=True)}
            first = end
        return [found[row] for row in rows]

    def _num_rows(self, number: int) -> int:
        """Rows of a file, which is read where nobody has counted them."""
        source, columns = self._sources[number], self._sources[number].schema.names[:1]
        count = source.count_rows(columns)
        if count is None and number not in self._counts:
            tables = source.chunks(columns, start_row=0, max_rows=_ROWS_PER_LOOK, max_bytes=_BYTES_PER_LOOK)
            self._counts[number] = sum(table.num_rows for table in tables)
        return self._counts[number] if count is None else count

    def _settled(self, table: pa.Table, columns: Sequence[str], number: int) -> pa.Table:
        """The rows in the types of the whole table, with the number of their file."""
        schema = picked(self.schema, columns)
        arrays = []
        for field in schema:
            if field.name not in table.column_names:
                arrays.append(retyped(pa.chunked_array([pa.nulls(table.num_rows)]), field.type))
                continue
            try:
                arrays.append(retyped(table[field.name], field.type))
            except (pa.ArrowException, ValueError) as error:
                raise self._other_type(field.name, kind_name(field.type), str(error), self.files[number]) from None
        arrays.append(pa.chunked_array([np.full(table.num_rows, number, np.int32)]))
        return pa.Table.from_arrays(arrays, schema=schema.append(pa.field(_FILE, pa.int32())))

    def _present(self, columns: Sequence[str], number: int) -> list[str]:
        """Those columns that the file has; raises DataError where one is missing that has to be there."""
        names = self._sources[number].schema.names
        for name in columns:
            count = names.count(name)
            if count > 1 or (count == 0 and name != LABEL):
                raise DataError(
                    f'column "{name}"',
                    expected=f"one in every file, as in {self.files[0].name}",
                    got="several" if count else f"none among {', '.join(names)}",
                    where=self.files[number].name,
                )
        return [name for name in columns if name in names]

    def _other_type(self, name: str, expected: str, got: str, file: Location) -> DataError:
        return DataError(
            f'column "{name}"',
            expected=f"{expected}, as in the files before",
            got=got,
            where=file.name,
            mend="write the column with one type in all files",
        )
