"""CSV and TSV tables, streamed. Every column is text exactly as written: "007" is a name, and stays one.

CSV has no types. Guessing them from the first block changes labels (007 -> 7, NA -> null) and fails in the middle of
the file when a later block disagrees. An empty unquoted cell is null.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_refs
from rows.images import ImageRef
from rows.source import files_fingerprint, skip_rows

_BLOCK_BYTES = 1 << 20


class DelimitedSource:
    """A text table with a header line, UTF-8, quoted as RFC 4180; compressed where the name ends in .gz."""

    num_rows = None  # counting means reading everything

    def __init__(self, path: Path) -> None:
        self.path = path
        self._delimiter = "\t" if ".tsv" in path.name.lower() else ","
        names = self._names()
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(
                "header", expected="a name once", got=f"{', '.join(repeated)} more than once", where=path.name
            )
        self.schema = pa.schema({name: pa.string() for name in names})
        if not any(chunk.num_rows for chunk in self.chunks(names, start_row=0, max_rows=1)):
            raise DataError("table", expected="rows", got="a header alone", where=path.name)

    def fingerprint(self) -> str:
        return files_fingerprint([(self.path.name, self.path)])

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int) -> Iterator[pa.Table]:
        del max_rows  # blocks are of _BLOCK_BYTES
        return skip_rows(self._blocks(list(columns)), start_row)

    def images(self, values: pa.ChunkedArray[Any]) -> list[ImageRef]:
        return image_refs(values, self.path.parent)

    def _names(self) -> list[str]:
        opened = gzip.open if self.path.suffix == ".gz" else open
        try:
            with opened(self.path, "rt", encoding="utf-8-sig", newline="") as file:
                return next(csv.reader(file, delimiter=self._delimiter))
        except StopIteration:
            raise self._unreadable("an empty file") from None
        except (csv.Error, UnicodeDecodeError, OSError, EOFError) as error:
            raise self._unreadable(str(error)) from None

    def _blocks(self, columns: list[str]) -> Iterator[pa.Table]:
        from pyarrow import csv as arrow_csv

        convert = arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in columns},
            include_columns=columns,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        try:
            with arrow_csv.open_csv(
                self.path,
                read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                convert_options=convert,
            ) as reader:
                for batch in reader:
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(str(error)) from None

    def _unreadable(self, found: str) -> DataError:
        return DataError(
            "table", expected="delimited text in UTF-8 with a header line", got=found[:300], where=self.path.name
        )
