"""A Parquet file, read in pieces of bounded size whatever its row groups are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_refs, is_bytes
from rows.formats.source import Source, files_fingerprint, picked
from rows.images import ImageRef
from rows.location import Location, opened

_READ_BYTES = 1 << 20
_BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError)


class ParquetSource(Source):
    """One Parquet file; row groups before the start row are not read, and others not as a whole."""

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        del like  # the footer says it all
        self.path = path
        self.files = (path,)
        with _open(path) as file:
            try:
                self.schema = file.schema_arrow
                _ = self.schema.names
            except _BROKEN as error:
                raise _no_parquet(error, path) from None
            self._num_rows = int(file.metadata.num_rows)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return self._num_rows

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        missing = max(0, self._num_rows - start_row)
        with _open(self.path) as file:
            try:
                for group in range(file.num_row_groups):
                    facts = file.metadata.row_group(group)
                    if start_row >= facts.num_rows:
                        start_row -= facts.num_rows
                        continue
                    if isinstance(self.path, Path):
                        # a look at a group whose description is damaged ends the process, and reading raises
                        next(file.iter_batches(1, row_groups=[group], columns=list(columns)), None)
                    num_rows = max(1, min(max_rows, int(max_bytes // self._row_bytes(file, facts, columns))))
                    for batch in file.iter_batches(num_rows, row_groups=[group], columns=list(columns)):
                        skipped = min(start_row, batch.num_rows)
                        start_row -= skipped
                        missing -= batch.num_rows - skipped
                        if skipped < batch.num_rows:
                            yield pa.Table.from_batches([batch.slice(skipped)])
            except _BROKEN as error:
                raise DataError(
                    "table",
                    expected="readable Parquet",
                    got=str(error)[:300],
                    where=self.path.name,
                    mend="fetch or write it again",
                ) from None
        if missing and columns:
            raise DataError(
                "table",
                expected=f"{self._num_rows} rows, as its footer says",
                got=str(self._num_rows - missing),
                where=self.path.name,
                mend="fetch or write it again",
            )

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return image_refs(table[column], self.path.parent)

    def _row_bytes(self, file: Any, group: Any, columns: Sequence[str]) -> float:
        """Bytes that a row of the group is taken to hold in memory, from the footer."""
        total = 1.0
        for place in range(group.num_columns):
            path = file.schema.column(place).path
            name = next((name for name in columns if f"{path}.".startswith(f"{name}.")), None)
            if name is None:
                continue
            leaf = group.column(place)
            size = leaf.total_uncompressed_size / group.num_rows
            if leaf.dictionary_page_offset is not None and self._may_hold_images(name):
                # a value of a dictionary stands in the file once, and in memory in every row that names it
                size = max(size, leaf.data_page_offset - leaf.dictionary_page_offset)
            total += size
        return total

    def _may_hold_images(self, column: str) -> bool:
        kind = self.schema.field(column).type
        return pa.types.is_struct(kind) or is_bytes(kind)


@contextmanager
def _open(path: Location) -> Iterator[Any]:
    from pyarrow import parquet

    with opened(path) as stream:
        # Arrow reads a path with fewer copies than a file object
        source: Any = path if isinstance(path, Path) else stream
        try:
            # by default a whole column of a row group is read ahead: gigabytes, where the column holds images
            file = parquet.ParquetFile(
                source, buffer_size=_READ_BYTES, pre_buffer=False, page_checksum_verification=True
            )
        except _BROKEN as error:
            raise _no_parquet(error, path) from None
        with file:
            yield file


def _no_parquet(error: BaseException, path: Location) -> DataError:
    return DataError("table", expected="a Parquet file", got=str(error)[:300], where=path.name)
