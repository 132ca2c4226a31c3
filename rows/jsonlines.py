"""JSON lines: one object a line. Types come from the first thousand rows; a later row that does not fit is named."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_refs
from rows.images import ImageRef
from rows.source import files_fingerprint

_ROWS_FOR_TYPES = 1000


class JsonLinesSource:
    """A .jsonl file; keys that the first thousand rows lack are not columns."""

    num_rows = None  # counting means reading everything

    def __init__(self, path: Path) -> None:
        self.path = path
        first = list(islice(self._objects(), _ROWS_FOR_TYPES))
        if not first:
            raise DataError("table", expected="a JSON object on every line", got="an empty file", where=path.name)
        names = list(dict.fromkeys(key for _, row in first for key in row))
        self.schema = pa.schema([(name, self._column_type(name, first)) for name in names])

    def fingerprint(self) -> str:
        return files_fingerprint([(self.path.name, self.path)])

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int) -> Iterator[pa.Table]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        rows = islice(self._objects(), start_row, None)
        while chunk := list(islice(rows, max_rows)):
            yield pa.table([self._array(field, chunk) for field in schema], schema=schema)

    def images(self, values: pa.ChunkedArray[Any]) -> list[ImageRef]:
        return image_refs(values, self.path.parent)

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(line number from 1, object) of every line that is not blank."""
        opened = gzip.open if self.path.suffix == ".gz" else open
        with opened(self.path, "rb") as file:
            for number, line in enumerate(self._lines(file), start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise self._misfit(number, "a JSON object", str(error)) from None
                if not isinstance(row, dict):
                    raise self._misfit(number, "a JSON object", type(row).__name__)
                yield number, row

    def _lines(self, file: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from file
        except (OSError, EOFError) as error:  # half a .gz
            raise DataError("table", expected="a file that can be read", got=str(error), where=self.path.name) from None

    def _column_type(self, name: str, rows: list[tuple[int, dict[str, Any]]]) -> pa.DataType:
        try:
            kind: pa.DataType = pa.array([row.get(name) for _, row in rows]).type
            return kind
        except pa.ArrowException as error:
            raise DataError(
                f'column "{name}"', expected="values of one type", got=str(error), where=self.path.name
            ) from None

    def _array(self, field: pa.Field[Any], rows: list[tuple[int, dict[str, Any]]]) -> pa.Array[Any]:
        values = [row.get(field.name) for _, row in rows]
        try:
            array: pa.Array[Any] = pa.array(values, field.type)
            return array
        except (pa.ArrowException, TypeError):
            for (number, _), value in zip(rows, values, strict=True):
                try:
                    pa.array([value], field.type)
                except (pa.ArrowException, TypeError):
                    raise self._misfit(number, f'{field.type} in "{field.name}"', repr(value)) from None
            raise

    def _misfit(self, number: int, expected: str, got: str) -> DataError:
        return DataError(f"line {number}", expected=expected, got=got[:200], where=self.path.name)
