"""CSV and TSV tables, streamed. Every column is text exactly as written: "007" is a name, and stays one.

Decisions a reader would question:
- CSV has no types. Guessing them from the first rows changes labels (007 -> 7, NA -> null) and fails in the middle of
  the file when a later row disagrees. An empty unquoted cell is null.
- Python's csv module reads it, and not Arrow's faster reader: that one ends without a word where a quote is not closed,
  and takes no cell over the size of its block. A row takes microseconds, and its image a thousand of them.
- Quotes that are out of place are taken as they are, as everywhere, while the row is a single line. A quoted cell of
  several lines has to be well formed: else a quote that was not closed has eaten rows.
- Semicolons and tabs are read where the header shows them and no comma: Excel writes them in half of the world.
- A row may be longer than the header by empty cells, and shorter by cells without a name: Excel leaves such commas.
- Lines of nothing but delimiters are rows while another row follows. At the end they are none, as blank lines
  everywhere: Excel writes them for rows that were emptied or only formatted.
"""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_refs
from rows.formats.packing import BROKEN, unpacked
from rows.formats.source import Source, files_fingerprint, picked
from rows.formats.text_lines import (
    LONGEST_AT_OPENING,
    MEND_ENCODING,
    lines,
    lines_at,
    longest_line,
    num_lines,
    require_utf8,
)
from rows.images import ImageRef
from rows.location import Location, readable_name

_DELIMITERS = (",", ";", "\t")
_LINE_ENDS = ("\n", "\r")
_BYTES_PER_TABLE = 1 << 22
_BYTES_PER_LINE = 64
"""What Python adds to the letters of a line in memory."""

Record = tuple[int, list[str], str]
"""(number of its last line, cells, text as it stands in the file)."""


class DelimitedSource(Source):
    """A text table with a header line, UTF-8, quoted as RFC 4180; packed or not."""

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        del like  # the header says it all
        self.path = path
        self.files = (path,)
        self._longest_line = LONGEST_AT_OPENING
        self._delimiter = "\t" if ".tsv" in path.name.lower() else ","
        self._header_line = self._num_empty = 0
        self._names = self._read_header()
        self.schema = pa.schema([(name, pa.string()) for name in self._names])

    @property
    def notes(self) -> list[str]:
        found = f"{readable_name(self.path.name)}: {self._num_empty:,} lines of empty cells at its end are no rows"
        return [found] if self._num_empty else []

    def allow_images(self, max_bytes: int) -> None:
        self._longest_line = longest_line(max_bytes)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        places = [self._names.index(name) for name in columns]
        schema = picked(self.schema, columns)
        reads_all = len(places) == len(self._names)
        rows: list[list[str | None]] = []
        num_bytes = 0
        try:
            for record in islice(self._rows(), start_row, None):
                rows.append(self._cells(record, places))
                num_bytes += len(record[2]) if reads_all else sum(len(cell or "") for cell in rows[-1])
                if len(rows) == max_rows or num_bytes >= min(max_bytes, _BYTES_PER_TABLE):
                    yield _table(rows, schema)
                    rows, num_bytes = [], 0
        except DataError:  # told behind the rows before it
            if rows:
                yield _table(rows, schema)
            raise
        if rows:
            yield _table(rows, schema)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return image_refs(table[column], self.path.parent)

    def lines(self, rows: Sequence[int]) -> list[int]:
        return lines_at((last - max(0, num_lines(text) - 1) for last, _, text in self._rows()), rows)

    def _read_header(self) -> list[str]:
        """The names of the columns; finds out the delimiter and where the rows begin."""
        for line, cells, text in self._records():
            if line == 1 and text.strip().strip('"').lower().startswith("sep=") and len(text.strip().strip('"')) == 5:
                self._delimiter = text.strip().strip('"')[4]  # which Excel writes and reads
                self._header_line = 1
                continue
            if line == 2 and self._header_line == 1:
                cells = next(csv.reader([text], delimiter=self._delimiter))
            if len(cells) == 1 and self._header_line == 0:
                for delimiter in _DELIMITERS:
                    found = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
                    if len(found) > 1:
                        self._delimiter, cells = delimiter, found
                        break
            if any(not _is_utf8(name) for name in cells):
                raise self._not_utf8(line, next(name for name in cells if not _is_utf8(name)))
            self._header_line = line
            names = [name.strip() for name in cells]
            return names if len(set(names)) == len(set(cells)) else cells
        raise self._unreadable("an empty file", mend=None)

    def _rows(self) -> Iterator[Record]:
        """The records behind the header, each as long as that is."""
        width = len(self._names)
        needed = max((place + 1 for place, name in enumerate(self._names) if name), default=width)
        empty = array("q")  # their lines
        for line, cells, text in self._records():
            if line <= self._header_line or (width > len(cells) == 1 and not text.strip()):  # a line of blanks
                continue
            if not any(cells) and '"' not in text:  # rows, unless nothing but such lines follows
                empty.append(line)
                continue
            for empty_line in empty:
                yield empty_line, [""] * width, ""
            del empty[:]
            if len(cells) < needed or any(cells[width:]):
                raise DataError(
                    f"line {line}",
                    expected=f"{width} cells, as in the header",
                    got=f"{len(cells)}: {readable_name(text.strip())[:100]}",
                    where=self.path.name,
                    mend='a cell that holds a delimiter, a quote or a line break stands in quotes: "a, b"',
                )
            yield line, cells[:width] + [""] * (width - len(cells)), text
        self._num_empty = len(empty)

    def _cells(self, record: Record, places: list[int]) -> list[str | None]:
        line, cells, text = record
        quoted = _quoted_empty(text, self._delimiter) if '""' in text and "" in cells else frozenset()
        if not quoted and text.isascii():  # a look at each cell is half of the time where there are a hundred
            return [cells[place] or None for place in places]
        found: list[str | None] = []
        for place in places:
            cell = cells[place]
            if not cell.isascii() and not _is_utf8(cell):
                raise self._not_utf8(line, cell)
            found.append(cell if cell or place in quoted else None)
        return found

    def _records(self) -> Iterator[Record]:
        """All records, the header among them; blank lines are none."""
        csv.field_size_limit(max(csv.field_size_limit(), self._longest_line))  # of the whole process
        taken: list[str] = []
        try:
            with unpacked(self.path) as found:
                require_utf8(found.head, where=self.path.name)
                # bytes that are not UTF-8 matter only where they are read
                with io.TextIOWrapper(found.file, "utf-8-sig", "surrogateescape", newline="") as text:
                    found_lines = lines(text, self._longest_line, where=self.path.name)
                    reader = csv.reader(self._noted(found_lines, taken), delimiter=self._delimiter)
                    for cells in reader:
                        whole = "".join(taken)
                        if cells:
                            if "\0" in whole:  # of a disk or a download that left blocks out, and their line breaks
                                raise self._unreadable(f"zero bytes in line {reader.line_num}")
                            self._require_closed(cells, whole, reader.line_num, len(taken))
                            yield reader.line_num, cells, whole
                        taken.clear()
        except csv.Error as error:
            raise self._unreadable(str(error)) from None
        except BROKEN as error:
            raise self._unreadable(str(error) or type(error).__name__) from None

    def _noted(self, source: Iterator[str], taken: list[str]) -> Iterator[str]:
        """The lines, noted while they belong to one record, which has to end somewhere."""
        num_bytes = 0
        for number, line in enumerate(source, start=1):
            num_bytes = num_bytes * bool(taken) + len(line) + _BYTES_PER_LINE
            if num_bytes > self._longest_line + _BYTES_PER_LINE:
                raise self._open_quote(number - len(taken), f"for {len(taken)} lines", taken[0] if taken else line)
            taken.append(line)
            yield line

    def _require_closed(self, cells: list[str], text: str, last_line: int, num_lines: int) -> None:
        """Raise DataError where a quote was not closed, or closed in another row."""
        is_open = '"' in text and (not text.endswith(_LINE_ENDS) or cells[-1].endswith(_LINE_ENDS))
        if num_lines == 1 and not is_open:
            return
        try:
            list(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            if num_lines > 1 or "end of data" in str(error):
                found = f"where it should be ({error} in line {last_line})"
                raise self._open_quote(last_line - num_lines + 1, found, text) from None

    def _open_quote(self, line: int, found: str, text: str) -> DataError:
        return DataError(
            f"line {line}",
            expected="quotes in pairs",
            got=f"a quote that is not closed {found}: {readable_name(text[:100].strip())}",
            where=self.path.name,
            mend='close it, or write a quote in a quoted cell twice: "19"" monitor"',
        )

    def _not_utf8(self, line: int, cell: str) -> DataError:
        return DataError(
            "table",
            expected="delimited text in UTF-8",
            got=f"{readable_name(cell)[:250]!r} in line {line}",
            where=self.path.name,
            mend=MEND_ENCODING,
        )

    def _unreadable(self, found: str, mend: str | None = "fetch or write it again") -> DataError:
        return DataError(
            "table",
            expected="delimited text in UTF-8 with a header line",
            got=found[:300],
            where=self.path.name,
            mend=mend,
        )


def _table(rows: list[list[str | None]], schema: pa.Schema) -> pa.Table:
    if not schema.names:
        return pa.table({"": pa.nulls(len(rows))}).select([])
    arrays: list[Any] = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _quoted_empty(text: str, delimiter: str) -> frozenset[int]:
    """Places of the cells of a record that are written as two quotes."""
    places, place, at = set(), 0, 0
    while True:
        if text.startswith('"', at):
            end = text.find('"', at + 1)
            if end == at + 1 and not text.startswith('"', end + 1):
                places.add(place)
            while end >= 0 and text.startswith('"', end + 1):  # a quote within the cell
                end = text.find('"', end + 2)
            at = end + 1 if end >= 0 else len(text)
        at = text.find(delimiter, at)
        if at < 0:
            return frozenset(places)
        at, place = at + 1, place + 1
