"""Vectors in NumPy's files: .npy is one array [N, n]; of an .npz it is the array [N, n], and those of [N] are columns.

Decisions a reader would question:
- A .npy file is read in blocks and not mapped: a mapped file that somebody cuts short kills the process. What is read
  again comes from the system's cache all the same.
- Arrays in column order (pandas' to_numpy gives them) are taken: a block of rows is a run of every column.
- A member of an .npz is copied into a file without a name first: it may be packed, and rows are read several times.
- Pickles are refused. Ids that are one, as those of pandas are, are no column then, and that is told.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.array_header import BROKEN, ArrayHeader, member_names, read_header
from rows.vectors.column import EMBEDDING, find_column
from rows.vectors.own.spool import copied
from rows.vectors.stored import Numbered, StoredRows

ARRAYS = (".npy", ".npz")

Read: TypeAlias = Callable[[int, int], Any]
"""(offset, number of bytes) -> so many bytes of a file, or fewer at its end."""


@dataclass(frozen=True, kw_only=True)
class ArrayFile:
    """The arrays of one file, by their headers.

    Attributes:
        path: the file.
        headers: name -> header, but of pickles.
        pickled: names of those.
    """

    path: Path
    headers: dict[str, ArrayHeader]
    pickled: Sequence[str] = ()

    @property
    def is_zip(self) -> bool:
        """Whether it is an .npz."""
        return self.path.name.lower().endswith(".npz")

    @property
    def vectors(self) -> list[str]:
        """Names of the arrays that can be vectors."""
        return [name for name, header in self.headers.items() if _is_vectors(header)]

    @property
    def schema(self) -> pa.Schema:
        """Those as columns."""
        return pa.schema([(name, _vector_type(self.headers[name])) for name in self.vectors])

    @classmethod
    def open(cls, path: Path) -> ArrayFile:
        """Read the headers alone; raises DataError where it is no such file, or a .npy of pickles."""
        try:
            if not path.name.lower().endswith(".npz"):
                with path.open("rb") as stream:
                    return cls(path=path, headers={EMBEDDING: read_header(stream)})
            headers, pickled = {}, []
            with zipfile.ZipFile(path) as archive:
                for name in member_names(archive):
                    with archive.open(f"{name}.npy") as member:
                        try:
                            headers[name] = read_header(member)
                        except ValueError as error:
                            if "pickled" not in str(error):
                                raise
                            pickled.append(name)
            return cls(path=path, headers=headers, pickled=pickled)
        except BROKEN as error:
            raise _unreadable(error, path) from None


class ArrayRows(StoredRows):
    """The array of vectors of a file, and beside it its columns.

    Args:
        file: see ArrayFile.
        column: the array to take; None: `embedding`, or the only one that can be vectors.

    Attributes:
        vector_column: the array taken; `embedding` of a .npy.
        notes: arrays that are no columns because they are pickles.
    """

    def __init__(self, file: ArrayFile, column: str | None) -> None:
        self._file, self._member = file, None  # type: ArrayFile, Any
        path = file.path
        if not file.vectors or (column in file.headers and column not in file.vectors):
            raise _no_vectors(file, column)
        self.vector_column = find_column(file.schema, column, where=str(path), cells=lambda name: iter(()))
        self._header = file.headers[self.vector_column]
        self.num_rows = self._header.shape[0]
        beside: dict[str, pa.DataType] = {}
        for name, header in file.headers.items():
            kind = _column_type(header) if header.shape == (self.num_rows,) else None
            if kind is not None:
                beside[name] = kind
        self.schema = pa.schema([*beside.items(), (self.vector_column, _vector_type(self._header))])
        self.notes = [
            f'{path.name}: the array "{name}" is a pickle, so it is no column; save it as text, {name}.astype(str)'
            for name in file.pickled
        ]
        if not file.is_zip:
            whole = self._header.offset + self._header.num_bytes
            if path.stat().st_size < whole:
                raise _unreadable(EOFError(f"{path.stat().st_size:,} bytes of {whole:,}: it was cut short"), path)

    def batches(self, columns: Sequence[str], num_rows: int, wanted: Indices | None = None) -> Iterator[Numbered]:
        others = {name: self._column(name) for name in columns if name != self.vector_column}
        try:
            with self._reader() as read:
                for first in range(0, self.num_rows, num_rows):
                    count = min(num_rows, self.num_rows - first)
                    if wanted is not None and not np.diff(np.searchsorted(wanted, (first, first + count)))[0]:
                        continue
                    arrays = [
                        others[name].slice(first, count) if name in others else self._block(read, first, count)
                        for name in columns
                    ]
                    yield first, pa.RecordBatch.from_arrays(arrays, names=list(columns))
        except BROKEN as error:
            raise _unreadable(error, self._file.path) from None

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        if name == self.vector_column:
            return super().column(name)
        return pa.chunked_array([self._column(name)])

    def _block(self, read: Read, first: int, count: int) -> pa.Array[Any]:
        """The vectors of some rows."""
        header, width = self._header, self._header.shape[1]
        size = header.dtype.itemsize

        def numbers(at: int, num: int) -> Any:
            data = read(header.offset + at * size, num * size)
            if len(data) < num * size:
                raise EOFError(f"cut short behind row {first}")
            return np.frombuffer(data, header.dtype)

        if header.is_fortran:
            block = np.empty((count, width), header.dtype)
            for place in range(width):
                block[:, place] = numbers(place * self.num_rows + first, count)
            flat = block.reshape(-1)
        else:
            flat = numbers(first * width, count * width)
        values: Any = pa.array(flat.astype(_plain(header.dtype), copy=False))
        return pa.FixedSizeListArray.from_arrays(values, width)

    @contextmanager
    def _reader(self) -> Iterator[Read]:
        if not self._file.is_zip:
            with self._file.path.open("rb") as file:

                def read(offset: int, num_bytes: int) -> bytes:
                    file.seek(offset)
                    return file.read(num_bytes)

                yield read
            return
        if self._member is None:
            with zipfile.ZipFile(self._file.path) as archive, archive.open(f"{self.vector_column}.npy") as stream:
                self._member = copied(stream)
        member = memoryview(self._member)
        yield lambda offset, num_bytes: member[offset : offset + num_bytes]

    def _column(self, name: str) -> pa.Array[Any]:
        """One array of [N], as a whole."""
        try:
            with zipfile.ZipFile(self._file.path) as archive, archive.open(f"{name}.npy") as stream:
                values = np.lib.format.read_array(stream, allow_pickle=False)
            if values.dtype.kind == "S":
                values = np.char.decode(values, "utf-8", "backslashreplace")
            is_text = values.dtype.kind == "U"
            kind = self.schema.field(name).type
            found: pa.Array[Any] = pa.array(values.tolist() if is_text else values.astype(_plain(values.dtype)), kind)
            return found
        except BROKEN as error:
            raise _unreadable(error, self._file.path) from None


def _is_vectors(header: ArrayHeader) -> bool:
    return len(header.shape) == 2 and header.shape[1] > 0 and header.dtype.kind in "fiu"


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """In the order of bytes of this machine; numbers of more than 64 bits as float64."""
    return np.dtype(np.float64) if dtype.kind == "f" and dtype.itemsize > 8 else dtype.newbyteorder("=")


def _vector_type(header: ArrayHeader) -> pa.DataType:
    return pa.list_(pa.from_numpy_dtype(_plain(header.dtype)), header.shape[1])


def _column_type(header: ArrayHeader) -> pa.DataType | None:
    """None where Arrow has no such type."""
    if header.dtype.kind in "US":
        return pa.string()
    try:
        kind: pa.DataType = pa.from_numpy_dtype(_plain(header.dtype))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None
    return kind


def _no_vectors(file: ArrayFile, column: str | None) -> DataError:
    """One line for a file, or for the array that was asked for."""
    asked = {column: file.headers[column]} if column in file.headers else file.headers
    shown = [f"{header.dtype} {list(header.shape)}" for header in asked.values()]
    if file.is_zip:
        shown = [f"{name} ({each})" for name, each in zip(asked, shown, strict=True)]
    shown += [f"{name} (pickled)" for name in file.pickled if column not in file.headers]
    mend = None
    shape = next((header.shape for header in asked.values() if header.dtype.kind in "fiu"), ())
    if len(shape) == 1:
        mend = "one vector is a table of one row: array[None]"
    elif len(shape) > 2:
        mend = "array.reshape(len(array), -1) makes a vector of each row"
    return DataError(
        "array of vectors",
        expected="numbers [N, n]",
        got=", ".join(shown) or "no array",
        where=file.path,
        mend=mend,
    )


def _unreadable(error: BaseException, path: Path) -> DataError:
    got = str(error)[:300] or type(error).__name__
    mend = "save it as numbers, array.astype(np.float32)" if got == "pickled objects" else None
    return DataError("array of vectors", expected="an array that can be read", got=got, where=path, mend=mend)
