"""Headers of NumPy's arrays: shape, type and where the numbers begin, without reading them. Pickles are refused."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa

BROKEN = (
    tokenize.TokenError,
    SyntaxError,
    OverflowError,
    MemoryError,
    ValueError,
    OSError,
    EOFError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    pa.ArrowException,
)
"""What reading a damaged .npy or .npz raises."""


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and type of a .npy array, and the byte where its numbers begin.

    Attributes:
        shape: () of a single value.
        dtype: never of objects.
        offset: of the first number in the file.
        is_fortran: columns follow each other, and not rows; False of one axis.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    is_fortran: bool

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def num_bytes(self) -> int:
        """Bytes of all numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: IO[bytes]) -> ArrayHeader:
    """The header at the start of a .npy file; raises one of BROKEN where it is none, or of pickled objects."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("pickled objects")
    return ArrayHeader(shape, dtype, stream.tell(), is_fortran and len(shape) > 1)


def member_names(archive: zipfile.ZipFile) -> list[str]:
    """The names of the arrays in an .npz file."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
