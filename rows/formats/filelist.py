"""A list of images: one path a line, `id` = the line as it stands.

Lines are bytes, as file names are: one that is not UTF-8 still finds its file, and `id` shows such bytes as `\\xff`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_of_cell, image_refs, is_text
from rows.formats.packing import BROKEN, unpacked
from rows.formats.source import Source, files_fingerprint, picked
from rows.formats.text_lines import LONGEST_AT_OPENING, lines, lines_at, longest_line, require_utf8
from rows.images import ImageRef
from rows.location import Location, readable_name
from rows.text_images import is_written_image

_FIELDS: dict[str, pa.DataType] = {"id": pa.string(), "path": pa.binary()}


class FileListSource(Source):
    """A text file of paths, relative to the list's folder; blank lines are passed over."""

    schema = pa.schema(_FIELDS)

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        del like
        self.path = path
        self.files = (path,)
        self._longest_line = LONGEST_AT_OPENING

    def allow_images(self, max_bytes: int) -> None:
        self._longest_line = longest_line(max_bytes)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        del max_bytes  # a path is short
        rows = islice((line for _, line in self._lines()), start_row, None)
        while chunk := list(islice(rows, max_rows)):
            ids = [readable_name(os.fsdecode(line)) for line in chunk]
            for row, text in enumerate(ids):
                if is_written_image(text):  # a data: URI is no name
                    ids[row] = f"row {start_row + row}"
            start_row += len(chunk)
            yield pa.table([ids, chunk], schema=self.schema).select(list(columns))

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        folder = self.path.parent
        if is_text(table[column].type):
            return image_refs(table[column], folder)
        decode = os.fsdecode if isinstance(folder, Path) else _utf8
        names = [decode(line or b"") for line in table[column].to_pylist()]
        return [image_of_cell(name, folder) for name in names]

    def lines(self, rows: Sequence[int]) -> list[int]:
        return lines_at((number for number, _ in self._lines()), rows)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Those that are not blank, with their numbers from 1."""
        try:
            with unpacked(self.path) as found:
                require_utf8(found.head, where=self.path.name)
                found_lines = lines(found.file, self._longest_line, where=self.path.name)
                for number, line in enumerate(found_lines, start=1):
                    if line.strip():
                        yield number, line.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf")
        except BROKEN as error:
            raise DataError("table", expected="a list of files", got=str(error), where=self.path.name) from None


def _utf8(name: bytes) -> str:
    """A name in object storage, where names are UTF-8."""
    return name.decode("utf-8", "backslashreplace")
