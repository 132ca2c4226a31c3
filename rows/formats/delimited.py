"""CSV and TSV tables, streamed. Every column is text exactly as written: "007" is a name, and stays one.

CSV has no types. Guessing them from the first block changes labels (007 -> 7, NA -> null) and fails in the middle of
the file when a later block disagrees. An empty unquoted cell is null.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_refs
from rows.formats.source import files_fingerprint, skip_rows
from rows.images import ImageRef, readable_name
from rows.location import Location, opened

_BLOCK_BYTES = 1 << 20


class DelimitedSource:
    """A text table with a header line, UTF-8, quoted as RFC 4180; compressed where the name ends in .gz."""

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        del like  # the header says it all
        self.path = path
        self.files = (path,)
        self._delimiter = "\t" if ".tsv" in path.name.lower() else ","
        names = self._names()
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(
                "header", expected="a name once", got=f"{', '.join(repeated)} more than once", where=path.name
            )
        self.schema = pa.schema({name: pa.string() for name in names})

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        del max_rows, max_bytes  # blocks are of _BLOCK_BYTES
        return skip_rows(self._blocks(list(columns)), start_row)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return image_refs(table[column], self.path.parent)

    def _names(self) -> list[str]:
        try:
            with opened(self.path, decompress=True) as file, self._text(file, "utf-8-sig") as text:
                return next(csv.reader(text, delimiter=self._delimiter))
        except StopIteration:
            raise self._unreadable("an empty file") from None
        except UnicodeDecodeError:
            raise self._not_utf8() from None
        except (csv.Error, OSError, EOFError) as error:
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
            with ExitStack() as stack:
                source: Any = self.path  # which Arrow reads faster than a file object, and decompresses itself
                if not isinstance(self.path, Path):
                    source = stack.enter_context(opened(self.path, decompress=True))
                reader = stack.enter_context(
                    arrow_csv.open_csv(
                        source,
                        read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
                        parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                        convert_options=convert,
                    )
                )
                for batch in reader:
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError, EOFError) as error:
            if "UTF8" in str(error):
                raise self._not_utf8() from None
            raise self._unreadable(str(error)) from None

    def _text(self, file: Any, encoding: str, errors: str = "strict") -> io.TextIOWrapper:
        return io.TextIOWrapper(file, encoding, errors, newline="")

    def _not_utf8(self) -> DataError:
        """Reads the file again, up to the line that is meant."""
        got = "other bytes"
        with opened(self.path, decompress=True) as file, self._text(file, "utf-8", "surrogateescape") as text:
            reader = csv.reader(text, delimiter=self._delimiter)
            for row in reader:
                bad = next((cell for cell in row if any("\udc80" <= letter <= "\udcff" for letter in cell)), None)
                if bad is not None:
                    got = f"{readable_name(bad)!r} in line {reader.line_num}"
                    break
        return DataError(
            "table",
            expected="delimited text in UTF-8",
            got=got[:300],
            where=self.path.name,
            mend="save it as UTF-8, for example with iconv -f latin1 -t utf-8",
        )

    def _unreadable(self, found: str) -> DataError:
        return DataError(
            "table", expected="delimited text in UTF-8 with a header line", got=found[:300], where=self.path.name
        )
