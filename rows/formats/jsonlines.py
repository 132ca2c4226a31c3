"""JSON lines: one object a line. Types come from the rows, and only those of the columns that are read.

Decisions a reader would question:
- Columns are the keys of the first thousand rows, and `label` wherever it stands. Their types are those rows', until a
  column is asked for (`settle`). Of those that are not text by then every row is looked at, once: numbers may become
  "A17", and null anything, and the type stands in each part of a job's output. Text needs no look, for every value can
  be written so. Of these rows only outlines are held: what an image as text is made of says nothing of its type.
- Values of several types are text, as JSON writes it; numbers that meet others with a fraction stay numbers. NaN, which
  JSON does not have and Python writes, is an empty cell among text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_refs
from rows.formats.packing import BROKEN, unpacked
from rows.formats.source import LABEL, Source, files_fingerprint, picked
from rows.formats.text_lines import (
    LONGEST_AT_OPENING,
    MEND_ENCODING,
    lines,
    lines_at,
    longest_line,
    require_utf8,
)
from rows.images import ImageRef
from rows.location import Location
from rows.widening import wider

_ROWS_FOR_TYPES = 1000
_BYTES_PER_TABLE = 1 << 22
_BYTES_PER_NUMBER = 32
"""And of whatever else is no text, in Python."""
_LETTERS_PER_OUTLINE = 64
_MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError)
_MEND_LINES = "write one object a line, for example with jq -c '.[]'"

_HALF_LETTER = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""What may be one: of a pair in JSON's own writing, or in bytes as Python reads them."""

Row = tuple[int, dict[str, Any]]
"""(number of the line from 1, object)."""


class JsonLinesSource(Source):
    """A .jsonl file, packed or not; keys that the first thousand rows lack are not columns.

    Args:
        like: the schema, where an earlier file of the table has told it.
    """

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        self.path = path
        self.files = (path,)
        self._longest_line = LONGEST_AT_OPENING
        first = list(_outlines(self._objects(), _ROWS_FOR_TYPES if like is None else 1))
        self._is_known = like is None and len(first) < _ROWS_FOR_TYPES
        if like is not None:
            self.schema = like
            if first and not set(like.names) & set(first[0][1]):
                raise self._misfit(first[0][0], f"one of {', '.join(like.names)}", ", ".join(first[0][1]))
            if LABEL not in like.names and self._is_later(LABEL):
                self.schema = like.append(pa.field(LABEL, pa.null()))
            return
        if not first:
            raise DataError("table", expected="a JSON object on every line", got="an empty file", where=path.name)
        names = list(dict.fromkeys(key for _, row in first for key in row))
        if not self._is_known and LABEL not in names and self._is_later(LABEL):
            names.append(LABEL)
        columns = {name: [row.get(name) for _, row in first] for name in names}
        self.schema = pa.schema([(name, _type_of(values)) for name, values in columns.items()])
        self.mixed = {
            name: any(map(_is_numbers, values))
            for name, values in columns.items()
            if self.schema.field(name).type == pa.string() and not _is_text(values)
        }

    def allow_images(self, max_bytes: int) -> None:
        self._longest_line = longest_line(max_bytes)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        schema = picked(self.schema, columns)
        # the types that the first file has seen are no fact about this one, but for text
        kinds: dict[str, pa.DataType] = {
            field.name: pa.null() for field in schema if not self._is_known and field.type != pa.string()
        }
        rows = self._objects(list(kinds)) if kinds else iter(())
        open_names, mixed = set(kinds), dict(self.mixed)
        is_damaged = False
        while open_names and not is_damaged:
            chunk: list[Row] = []
            try:
                chunk.extend(_outlines(rows, _ROWS_FOR_TYPES))
            except DataError:
                is_damaged = True  # whoever reads the rows comes to it, and tells behind those before it
            if not chunk:
                break
            for name in open_names:
                values = [row[name] for _, row in chunk]
                before, kinds[name] = kinds[name], wider(kinds[name], _type_of(values)) or pa.string()
                if kinds[name] == pa.string() and not (pa.types.is_null(before) and _is_text(values)):
                    mixed[name] = pa.types.is_list(before) or any(map(_is_numbers, values))
            open_names = {name for name in open_names if kinds[name] != pa.string()}
        self.mixed = mixed
        self.schema = pa.schema([field.with_type(kinds.get(field.name, field.type)) for field in self.schema])
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        schema = picked(self.schema, columns)
        rows = islice(self._objects(columns), start_row, None)
        fault: DataError | None = None
        while fault is None:
            chunk: list[Row] = []
            num_bytes = 0
            try:
                for row in islice(rows, max_rows):
                    chunk.append(row)
                    num_bytes += _held_bytes(row[1])
                    if num_bytes >= min(max_bytes, _BYTES_PER_TABLE):
                        break
            except DataError as error:  # told behind the rows before it
                fault = error
            if not chunk:
                break
            yield pa.table([self._array(field, chunk) for field in schema], schema=schema)
        if fault is not None:
            raise fault

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return image_refs(table[column], self.path.parent)

    def lines(self, rows: Sequence[int]) -> list[int]:
        return lines_at((number for number, _ in self._objects([])), rows)

    def _is_later(self, name: str) -> bool:
        """Whether a line has the key; writers leave out keys without a value, and nobody asks for labels by name."""
        letters = json.dumps(name).encode()
        try:
            return any(name in _parsed(line) for line in self._lines() if letters in line)
        except (DataError, ValueError, RecursionError, TypeError):
            return False  # whoever reads the rows comes to it, and tells

    def _objects(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """Every line that is not blank; of the columns asked for, or all."""
        for number, line in enumerate(self._lines(), start=1):
            if not line.strip():
                continue
            try:
                row = _parsed(line)
            except UnicodeDecodeError as error:
                raise self._misfit(number, "UTF-8", str(error), MEND_ENCODING) from None
            except (ValueError, RecursionError) as error:
                is_split = number == 1 and line.strip() in (b"[", b"{")
                raise self._misfit(number, "a JSON object", str(error), _MEND_LINES if is_split else None) from None
            if not isinstance(row, dict):
                mend = _MEND_LINES if number == 1 and isinstance(row, list) else None
                raise self._misfit(number, "a JSON object", type(row).__name__, mend)
            yield number, row if columns is None else {name: row.get(name) for name in columns}

    def _lines(self) -> Iterator[bytes]:
        try:
            with unpacked(self.path) as found:
                require_utf8(found.head, where=self.path.name)
                yield from lines(found.file, self._longest_line, where=self.path.name)
        except BROKEN as error:  # half a .gz
            raise DataError(
                "table",
                expected="a file that can be read",
                got=str(error) or type(error).__name__,
                where=self.path.name,
                mend="fetch or write it again",
            ) from None

    def _array(self, field: pa.Field[Any], rows: list[Row]) -> pa.Array[Any]:
        values = [row[field.name] for _, row in rows]
        if field.type == pa.string():
            values = [value if isinstance(value, str) else _written(value) for value in values]
        try:
            array: pa.Array[Any] = pa.array(values, field.type)
            return array
        except _MISFITS:
            for (number, _), value in zip(rows, values, strict=True):
                try:
                    pa.array([value], field.type)
                except _MISFITS:
                    raise self._misfit(number, f'{field.type} in "{field.name}"', repr(value)) from None
            raise

    def _misfit(self, number: int, expected: str, got: str, mend: str | None = None) -> DataError:
        return DataError(f"line {number}", expected=expected, got=got[:200], where=self.path.name, mend=mend)


def _parsed(line: bytes) -> Any:
    """What a line says; halves of letters beyond 16 bits, which no text can hold, are shown as JSON writes them."""
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:  # a number of more digits than Python turns into one
        value = json.loads(line, parse_int=_number)
    return _whole_letters(value) if _HALF_LETTER.search(line) else value


def _number(digits: str) -> int | str:
    """A number; its digits as text where Python makes none of so many."""
    try:
        return int(digits)
    except ValueError:
        return digits


def _whole_letters(value: Any) -> Any:
    """A value of JSON with `\\udXXX` written out for each half of a letter that lacks the other."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_whole_letters(each) for each in value]
    if isinstance(value, dict):
        return {_whole_letters(key): _whole_letters(each) for key, each in value.items()}
    return value


def _held_bytes(value: Any) -> int:
    """About how many bytes a value holds in memory."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, (dict, list)):
        return sum(map(_held_bytes, value.values() if isinstance(value, dict) else value))
    return _BYTES_PER_NUMBER


def _outlines(rows: Iterator[Row], num_rows: int) -> Iterator[Row]:
    """The next rows with values of the same types, but short."""
    return ((number, _outline(row)) for number, row in islice(rows, num_rows))


def _outline(value: Any) -> Any:
    """A value of the same type: of a text its beginning, of a list of fractions its first."""
    if isinstance(value, str):
        return value[:_LETTERS_PER_OUTLINE]
    if isinstance(value, dict):
        return {name: _outline(each) for name, each in value.items()}
    if isinstance(value, list):
        return value[:1] if value and set(map(type, value)) == {float} else [_outline(each) for each in value]
    return value


def _type_of(values: list[Any]) -> pa.DataType:
    """The type of values as JSON has them; text where they are of several."""
    try:
        kind: pa.DataType = pa.array(values).type
    except _MISFITS:
        return pa.string()
    return kind


def _is_text(values: list[Any]) -> bool:
    return all(value is None or isinstance(value, str) for value in values)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(each) in (int, float) for each in value)


def _written(value: Any) -> str | None:
    """A value as JSON writes it; a whole number without the .0 that a gap in the column gave it."""
    if value is None or value != value:  # NaN
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)
