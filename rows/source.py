"""What every row format gives: a schema, and Arrow tables of some columns from some row on, in bounded memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from rows.images import ImageRef


class Source(Protocol):
    """One opened table of a format; FORMATS in rows/tables.py names them all.

    Attributes:
        schema: the columns.
        num_rows: None where counting means reading everything.
    """

    @property
    def schema(self) -> pa.Schema: ...

    @property
    def num_rows(self) -> int | None: ...

    def fingerprint(self) -> str:
        """Hex digest that changes when a file of the table does."""
        ...

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int) -> Iterator[pa.Table]:
        """The rows from `start_row` on, in order, in tables of any size up to about `max_rows`."""
        ...

    def images(self, values: pa.ChunkedArray[Any]) -> list[ImageRef]:
        """The image of each cell of an image column."""
        ...


def rechunk(chunks: Iterable[pa.Table], num_rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly `num_rows` (the last one may be shorter), holding back less than one."""
    held: list[pa.Table] = []
    have = 0
    for chunk in chunks:
        while chunk.num_rows:
            part = chunk.slice(0, num_rows - have)
            chunk = chunk.slice(part.num_rows)
            held.append(part)
            have += part.num_rows
            if have == num_rows:
                yield pa.concat_tables(held)
                held, have = [], 0
    if have:
        yield pa.concat_tables(held)


def skip_rows(chunks: Iterable[pa.Table], num_rows: int) -> Iterator[pa.Table]:
    """Leave out the first `num_rows`, for formats that can only be read from the start."""
    for chunk in chunks:
        if num_rows < chunk.num_rows:
            yield chunk.slice(num_rows)
        num_rows = max(0, num_rows - chunk.num_rows)


def files_fingerprint(files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 in hex over name, size in bytes and change time in ns of each file.

    Not over the contents: a table can hold terabytes of images. A touched file counts as changed: the safe side.

    Args:
        files: (name relative to the table, path); a file that is not there counts as such.
    """
    digest = hashlib.sha256()
    for name, path in files:
        try:
            status = os.stat(path)
            facts = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            facts = "missing"
        digest.update(os.fsencode(name) + b"\0" + facts.encode() + b"\0")
    return digest.hexdigest()
