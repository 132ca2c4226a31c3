"""NumPy files of images: .npy is one array [N, h, w] or [N, h, w, 1, 3 or 4]; .npz several of the same N.

A file of one picture (rows/picture_arrays.py) is a table of one row, whose image is the file.

Arrays are read, and not mapped into memory: a mapped file that is cut short kills the process, and one in object
storage or inside an .npz cannot be mapped at all. Pickles are refused.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any

import numpy as np
import pyarrow as pa

from artifact.errors import DataError
from artifact.listing import quoted
from rows.array_header import BROKEN, ArrayHeader, member_names, read_header
from rows.cells import image_refs, tensor_type
from rows.formats.source import Source, files_fingerprint, picked
from rows.images import ImageRef
from rows.location import Location, opened
from rows.picture_arrays import is_one_picture, only_picture


class NumpySource(Source):
    """One .npy file with the column `image`, or one .npz file with a column for each array.

    In an .npz arrays of one dimension, such as labels, can be copied; those of two are no columns.
    """

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        del like  # the headers say it all
        self.path = path
        self.files = (path,)
        self._headers: dict[str, ArrayHeader] = {}
        self._picture: ArrayHeader | None = None
        try:
            headers = {name: self._header(name) for name in self._members()}
            only = only_picture(headers)
            if only is not None:
                self._picture = headers[only]
                self.schema = pa.schema({"image": pa.string(), "id": pa.string()})
                return
            for name, header in headers.items():
                if _is_images(header) or len(header.shape) == 1:
                    self._headers[name] = header
            self.schema = pa.schema({name: _column_type(header) for name, header in self._headers.items()})
        except BROKEN as error:
            raise self._unreadable(error) from None
        if not any(_is_images(header) for header in self._headers.values()):
            pictures = [name for name, header in headers.items() if is_one_picture(header)]
            got = f"{len(pictures)} pictures: {quoted(pictures)}" if pictures else "no array of images"
            expected = "uint8 [N, h, w, 3], or one picture [h, w, 3]"
            raise DataError("array", expected=expected, got=got, where=path.name)

    @property
    def notes(self) -> list[str]:
        """That three axes are those of one picture, where they could be meant otherwise."""
        shape = self._picture.shape if self._picture is not None else ()
        if len(shape) != 3:
            return []
        many = f"{shape[0]} pictures of {shape[1]} x {shape[2]} px are saved as [{shape[0]}, {shape[1]}, {shape[2]}, 1]"
        return [f"{self.path.name}: an array {list(shape)} is one picture; {many}"]

    def count_rows(self, columns: Sequence[str]) -> int | None:
        if self._picture is not None:
            return 1
        counts = {name: self._headers[name].shape[0] for name in columns}
        if len(set(counts.values())) > 1:
            raise DataError(
                "arrays",
                expected="one number of rows",
                where=self.path.name,
                got=", ".join(f"{count} in {name}" for name, count in counts.items()),
            )
        return next(iter(counts.values()), None)

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        return files_fingerprint(self.files)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        if self._picture is not None:
            if start_row == 0:
                yield pa.table([[self.path.name] for _ in columns], schema=picked(self.schema, columns))
            return
        num_rows = self.count_rows(columns) or 0
        row_bytes = sum(max(1, self._headers[name].row_bytes) for name in columns)
        step = max(1, min(max_rows, max_bytes // row_bytes))
        readers = [self._array(name, start_row, num_rows, step) for name in columns]
        for arrays in zip(*readers, strict=True):
            yield pa.table(list(arrays), schema=pa.schema([self.schema.field(name) for name in columns]))

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        if self._picture is not None:  # its name is no cell, whose text may be a URL or an image
            return [ImageRef(self.path) for _ in range(table.num_rows)]
        return image_refs(table[column], self.path.parent)

    def _array(self, name: str, start_row: int, num_rows: int, step: int) -> Iterator[pa.Array[Any]]:
        header, kind = self._headers[name], self.schema.field(name).type
        try:
            with self._stream(name) as stream:
                stream.seek(header.offset + start_row * header.row_bytes)
                for first in range(start_row, num_rows, step):
                    rows = min(step, num_rows - first)
                    data = stream.read(rows * header.row_bytes)
                    if len(data) < rows * header.row_bytes:
                        raise EOFError(f"cut short in row {first + len(data) // max(1, header.row_bytes)}")
                    yield _arrow(np.frombuffer(data, header.dtype).reshape(rows, *header.shape[1:]), kind)
        except BROKEN as error:
            raise self._unreadable(error) from None

    def _members(self) -> list[str]:
        if not self._is_zip:
            return ["image"]
        with opened(self.path) as file, zipfile.ZipFile(file) as archive:
            return member_names(archive)

    def _header(self, name: str) -> ArrayHeader:
        with self._stream(name) as stream:
            header = read_header(stream)
        if header.is_fortran:
            raise ValueError(f"{name} in column order, np.ascontiguousarray mends that")
        return header if header.shape else replace(header, shape=(1,))

    @contextmanager
    def _stream(self, name: str) -> Iterator[IO[bytes]]:
        with opened(self.path) as file:
            if not self._is_zip:
                yield file
                return
            with zipfile.ZipFile(file) as archive, archive.open(f"{name}.npy") as member:
                yield member

    @property
    def _is_zip(self) -> bool:
        return self.path.name.lower().endswith(".npz")

    def _unreadable(self, error: BaseException) -> DataError:
        return DataError("table", expected="arrays that can be read", got=str(error)[:300], where=self.path.name)


def _is_images(header: ArrayHeader) -> bool:
    return len(header.shape) > 2 and 0 not in header.shape[1:]


def _column_type(header: ArrayHeader) -> pa.DataType:
    if _is_images(header):
        return tensor_type(header.dtype, header.shape[1:])
    kind: pa.DataType = pa.string() if header.dtype.kind in "US" else pa.from_numpy_dtype(header.dtype)
    return kind


def _arrow(values: Any, kind: Any) -> pa.Array[Any]:
    if values.ndim > 1:
        flat = pa.array(values.reshape(-1), kind.value_type)
        storage = pa.FixedSizeListArray.from_arrays(flat, math.prod(values.shape[1:]))
        return pa.ExtensionArray.from_storage(kind, storage)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "backslashreplace")
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    column: pa.Array[Any] = pa.array(values.tolist() if values.dtype.kind == "U" else values, kind)
    return column
