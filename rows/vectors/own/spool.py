"""Rows that are read once, kept in a file without a name that is mapped into memory.

Text and packed files take seconds to minutes to read, and every command reads vectors several times: to count, to train
on a sample, to add. A file without a name is gone with the process, however that ends, and no one else can cut it short
while it is mapped. It lies where `tempfile` says (TMPDIR), and takes the numbers' own size: 512 MB for 1M x 128.
"""

from __future__ import annotations

import mmap
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import pyarrow as pa

from artifact.errors import OutputError
from rows.cells import values_type
from rows.vectors.stored import Numbered, TableRows, one_batch

_ROWS = 16_384
_BYTES = 1 << 25
"""Rows, and about how many bytes, that are written together."""


def spooled(batches: Iterator[Numbered], schema: pa.Schema) -> TableRows:
    """All rows in a mapped file; dictionaries (pandas' categories) as their values.

    Raises:
        OutputError: there is no room for it.
        DataError: as reading the batches does.
    """
    schema = pa.schema([field.with_type(values_type(field.type)) for field in schema]).with_metadata(schema.metadata)
    with unnamed_file() as file:
        sink: Any = file
        with pa.ipc.new_file(sink, schema) as writer:
            for batch in _together(batches, schema):
                with told_of_room():
                    writer.write_batch(batch)
        return TableRows(pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped(file)))).read_all())


def copied(stream: IO[bytes]) -> mmap.mmap:
    """All bytes of a stream in a mapped file; raises OutputError where there is no room."""
    with unnamed_file() as file:
        with told_of_room():
            shutil.copyfileobj(stream, file, 1 << 20)
        return mapped(file)


@contextmanager
def unnamed_file() -> Iterator[IO[bytes]]:
    """A file without a name, to be written; what is mapped of it stays."""
    with ExitStack() as stack:
        with told_of_room():
            file = stack.enter_context(tempfile.TemporaryFile(prefix="lookalike-"))
        yield file


def mapped(file: IO[bytes]) -> mmap.mmap:
    """The bytes of a file, which are not changed any more."""
    with told_of_room():
        file.flush()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@contextmanager
def told_of_room() -> Iterator[None]:
    """One line for a disk that is full."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            "copy of the vectors for reading",
            expected="room for it",
            got=error.strerror or str(error),
            where=tempfile.gettempdir(),
            mend="name a folder with room by TMPDIR, or write the vectors as .npy or .parquet",
        ) from None


def _together(batches: Iterator[Numbered], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Small batches joined, with the types of the schema."""
    held: list[pa.Table] = []
    num_rows = num_bytes = 0
    for _, batch in batches:
        columns: list[Any] = [
            column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column for column in batch.columns
        ]
        held.append(pa.Table.from_arrays(columns, schema=schema))
        num_rows, num_bytes = num_rows + batch.num_rows, num_bytes + batch.nbytes
        if num_rows >= _ROWS or num_bytes >= _BYTES:
            yield one_batch(pa.concat_tables(held))
            held, num_rows, num_bytes = [], 0, 0
    if held:
        yield one_batch(pa.concat_tables(held))
