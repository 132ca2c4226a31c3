"""Arrow tables and streams of record batches in memory, and Arrow IPC files (.arrow, .feather).

Decisions a reader would question:
- A table's fingerprint is over its contents. A stream's is drawn at random: what will come cannot be known, so a job
  over a stream is never taken for another's.
- A stream in a file that lacks its end marker is refused behind its last batch, for rows would be lost without a word.
- IPC files on this machine are mapped into memory, since their record batches cannot be read in part; a compressed
  batch is in memory as a whole.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from rows.cells import image_refs
from rows.formats.source import Source, files_fingerprint, picked, rechunk, skip_rows
from rows.images import ImageRef
from rows.location import Location, opened

_CONTINUATION = b"\xff\xff\xff\xff"
_END = _CONTINUATION + b"\0\0\0\0"
_ROWS_PER_HASH, _BYTES_PER_HASH = 65_536, 1 << 24


class TableSource(Source):
    """A pa.Table; relative image paths are relative to the working folder."""

    files: tuple[Location, ...] = ()

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.schema = table.schema

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return int(self._table.num_rows)

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        sink: Any = _Digest()
        with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), self._table.schema) as writer:
            for part in rechunk([self._table], _ROWS_PER_HASH, _BYTES_PER_HASH):
                writer.write_table(part.combine_chunks())  # however its rows came in chunks
        digest: str = sink.digest.hexdigest()
        return digest

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        yield from rechunk([self._table.select(list(columns)).slice(start_row)], max_rows, max_bytes)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return image_refs(table[column], Path())


class StreamSource(Source):
    """A pa.RecordBatchReader: read once, and never from its start again."""

    files: tuple[Location, ...] = ()

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self.schema = reader.schema
        self._reader: Any = reader
        self._fingerprint = secrets.token_hex(32)

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        return self._fingerprint

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        reader, self._reader = self._reader, None
        if reader is None:
            raise DataError(
                "stream of record batches",
                expected="to be read once",
                got="a second reading",
                mend="open the table again over a new reader, or give a pa.Table",
            )
        tables = (pa.Table.from_batches([batch]).select(list(columns)) for batch in reader)
        for table in skip_rows(tables, start_row):
            yield from rechunk([table], max_rows, max_bytes)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return image_refs(table[column], Path())


class IpcSource(Source):
    """An Arrow IPC file, in the file or the stream form."""

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        del like
        self.path = path
        self.files = (path,)
        self.schema: pa.Schema = next(self._parts())

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        parts = self._parts()
        next(parts)
        tables = (self._sound(batch, columns) for batch in parts)
        for table in skip_rows(tables, start_row):
            yield from rechunk([table], max_rows, max_bytes)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return image_refs(table[column], self.path.parent)

    def _sound(self, batch: Any, columns: Sequence[str]) -> pa.Table:
        """Some columns of a batch; raises DataError where they point outside of it, which would end the process."""
        table = pa.Table.from_batches([batch]).select(list(columns))
        for name in columns:
            try:
                table[name].validate(full=True)
            except pa.ArrowInvalid as error:
                if "UTF8" not in str(error):  # that is told with its row, by who reads the rows
                    raise self._broken(error) from None
        return table

    def _broken(self, error: BaseException) -> DataError:
        return DataError("table", expected="an Arrow IPC file", got=str(error)[:300], where=self.path.name)

    def _parts(self) -> Iterator[Any]:
        """The schema, then every record batch."""
        try:
            with ExitStack() as stack:
                file: Any = stack.enter_context(opened(self.path))
                if isinstance(self.path, Path):
                    file = stack.enter_context(pa.memory_map(str(self.path)))
                batches: Any
                try:
                    reader: Any = pa.ipc.open_file(file)
                    batches = (reader.get_batch(place) for place in range(reader.num_record_batches))
                    is_stream = False
                except pa.ArrowInvalid:
                    file.seek(0)
                    reader = batches = pa.ipc.open_stream(file)
                    is_stream = True
                yield reader.schema
                yield from batches
                if is_stream:
                    _require_end(file)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise self._broken(error) from None


def _require_end(file: Any) -> None:
    """Raise ValueError where a stream that was read to its end does not say that it ended: it was cut off.

    Arrow itself takes the end of the file for that of the stream.
    """
    at = file.tell()
    file.seek(0)
    head = bytes(file.read(4))
    file.seek(max(0, at - len(_END)))
    tail = bytes(file.read(len(_END)))
    is_old = head != _CONTINUATION  # of before Arrow 0.15
    if tail != _END and not (is_old and tail.endswith(b"\0\0\0\0")):
        raise ValueError("no end of the stream: it was cut off, or its writer not closed")


class _Digest:
    """A file that keeps the hash of what is written to it."""

    closed = False

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""
