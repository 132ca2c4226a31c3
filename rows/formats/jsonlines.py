"""JSON lines: one object a line. Types come from the first thousand rows; a later row that does not fit is named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_refs
from rows.formats.source import files_fingerprint, rechunk
from rows.images import ImageRef
from rows.location import Location, opened

_ROWS_FOR_TYPES = 1000
_MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError)
_MEND_ENCODING = "save it as UTF-8, for example with iconv -f latin1 -t utf-8"


class JsonLinesSource:
    """A .jsonl file; keys that the first thousand rows lack are not columns.

    Args:
        like: the schema, where an earlier file of the table has told it.
    """

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        self.path = path
        self.files = (path,)
        first = list(islice(self._objects(), _ROWS_FOR_TYPES if like is None else 1))
        if like is not None:
            self.schema = like
            if first and not set(like.names) & set(first[0][1]):
                raise self._misfit(first[0][0], f"one of {', '.join(like.names)}", ", ".join(first[0][1]))
            return
        if not first:
            raise DataError("table", expected="a JSON object on every line", got="an empty file", where=path.name)
        names = list(dict.fromkeys(key for _, row in first for key in row))
        self.schema = pa.schema([(name, self._column_type(name, first)) for name in names])

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        rows = islice(self._objects(columns), start_row, None)
        while chunk := list(islice(rows, max_rows)):
            table = pa.table([self._array(field, chunk) for field in schema], schema=schema)
            yield from rechunk([table], max_rows, max_bytes)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return image_refs(table[column], self.path.parent)

    def _objects(self, columns: Sequence[str] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """(line number from 1, object) of every line that is not blank; of the columns asked for, or all."""
        with opened(self.path, decompress=True) as file:
            for number, line in enumerate(self._lines(file), start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except UnicodeDecodeError as error:
                    raise self._misfit(number, "UTF-8", str(error), _MEND_ENCODING) from None
                except (ValueError, RecursionError) as error:
                    raise self._misfit(number, "a JSON object", str(error)) from None
                if not isinstance(row, dict):
                    raise self._misfit(number, "a JSON object", type(row).__name__)
                yield number, row if columns is None else {name: row.get(name) for name in columns}

    def _lines(self, file: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from file
        except (OSError, EOFError) as error:  # half a .gz
            raise DataError("table", expected="a file that can be read", got=str(error), where=self.path.name) from None

    def _column_type(self, name: str, rows: list[tuple[int, dict[str, Any]]]) -> pa.DataType:
        try:
            kind: pa.DataType = pa.array([row.get(name) for _, row in rows]).type
            return kind
        except _MISFITS as error:
            raise DataError(
                f'column "{name}"', expected="values of one type", got=str(error), where=self.path.name
            ) from None

    def _array(self, field: pa.Field[Any], rows: list[tuple[int, dict[str, Any]]]) -> pa.Array[Any]:
        values = [row.get(field.name) for _, row in rows]
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
