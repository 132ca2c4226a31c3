"""Parquet tables: one file, or a folder of them read in order of name; a batch of rows in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_refs
from rows.images import ImageRef
from rows.source import files_fingerprint

_READ_BYTES = 1 << 20


class ParquetSource:
    """Parquet files of one schema; row groups before the start row are not read."""

    def __init__(self, path: Path) -> None:
        self.folder = path if path.is_dir() else path.parent
        self.files = parquet_files(path) if path.is_dir() else [path]
        self.schema = read_schema(self.files[0])
        counts = []
        for file in self.files:
            metadata = _open(file).metadata
            if not metadata.schema.to_arrow_schema().equals(self.schema):
                raise DataError(
                    "table", expected=f"the columns of {self.files[0].name}", got="other columns", where=file.name
                )
            counts.append(int(metadata.num_rows))
        self._counts = counts
        if not self.num_rows:
            raise DataError("table", expected="rows", got="none", where=path.name)

    @property
    def num_rows(self) -> int:
        return sum(self._counts)

    def fingerprint(self) -> str:
        return files_fingerprint((file.name, file) for file in self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int) -> Iterator[pa.Table]:
        for file, count in zip(self.files, self._counts, strict=True):
            if start_row < count:
                yield from _file_chunks(file, list(columns), start_row, max_rows)
            start_row = max(0, start_row - count)

    def images(self, values: pa.ChunkedArray[Any]) -> list[ImageRef]:
        return image_refs(values, self.folder)


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files directly in a folder, by name; hidden ones are half-written or not ours."""
    return sorted(file for file in folder.glob("*.parquet") if not file.name.startswith((".", "_")))


def read_schema(file: Path) -> pa.Schema:
    """The Arrow schema of one file, with its metadata; raises DataError where it is not Parquet."""
    return _open(file).schema_arrow


def _file_chunks(file: Path, columns: list[str], start_row: int, max_rows: int) -> Iterator[pa.Table]:
    from pyarrow import parquet

    # by default a whole column of a row group is read ahead: gigabytes, where the column holds images
    with parquet.ParquetFile(file, buffer_size=_READ_BYTES, pre_buffer=False) as opened:
        first = 0  # row group to start with
        while start_row >= opened.metadata.row_group(first).num_rows:
            start_row -= opened.metadata.row_group(first).num_rows
            first += 1
        groups = list(range(first, opened.num_row_groups))
        try:
            for batch in opened.iter_batches(max_rows, row_groups=groups, columns=columns):
                skipped = min(start_row, batch.num_rows)
                start_row -= skipped
                yield pa.Table.from_batches([batch.slice(skipped)])
        except (pa.ArrowException, OSError) as error:
            raise DataError("table", expected="readable Parquet", got=str(error)[:300], where=file.name) from None


def _open(file: Path) -> pa.parquet.ParquetFile:
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as opened:
            return opened
    except (pa.ArrowException, OSError) as error:
        raise DataError("table", expected="a Parquet file", got=str(error)[:300], where=file.name) from None
