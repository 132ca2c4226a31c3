"""The finished parts of a job as NumPy files beside them, written a part at a time.

Decisions a reader would question:
- The parts stay: a job is resumed, retried and analysed by them. The arrays are one more copy for those who want
  `np.load`, and are made again whenever the parts changed.
- Files are written from start to end and not mapped into memory: a map of a file on a full disk ends the process.
- Text becomes an array of fixed width, so that nothing is pickled. A column is left out where NumPy has no plain type
  for it (empty cells, nested values, a text over 1024 characters), where it is one of vectors or boxes with empty
  places or of another type than float32 and float64, or where its name is none of a plain file: the parts have it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifact.atomic import staged_file, sync_folder
from artifact.errors import UsageError
from serving.jobs.array_files import NPZ_FILE, array_file, has_array_file
from serving.jobs.folder import JobFolder

FORMATS = ("parquet", "npy", "npz")
_MAX_TEXT = 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member of a zip file, so that the same parts give the same bytes."""


@dataclass(frozen=True)
class _Array:
    """A column as it will be: its name, dtype and the shape of one row."""

    name: str
    dtype: np.dtype[Any]
    row_shape: tuple[int, ...]


def require_format(name: str) -> None:
    """Raise UsageError unless `name` is one of FORMATS."""
    if name not in FORMATS:
        raise UsageError(f"format {name!r}", expected=f"one of {', '.join(FORMATS)}")


def write_arrays(folder: JobFolder, output_format: str) -> tuple[str, ...]:
    """Write every column of a finished job as COLUMN.npy, or all into vectors.npz; gives the files' names.

    Row i of each is row i of the parts read in order: the rows that could be scored. `embedding` is float32 [N, n].
    What is there already is kept; "parquet" writes nothing. Raises OutputError where there is no room.
    """
    if output_format == "parquet":
        return ()
    arrays = _find_arrays(folder)
    names = [NPZ_FILE] if output_format == "npz" else [array_file(array.name) for array in arrays]
    written = dict.fromkeys(folder.extra.get("arrays", []))
    if not set(names) <= set(written) or not all((folder.path / name).is_file() for name in names):
        (_write_npz if output_format == "npz" else _write_npy)(folder, arrays)
        sync_folder(folder.path)
        folder.extra["arrays"] = list(written | dict.fromkeys(names))
        folder.write_manifest()
    return tuple(names)


def _write_npy(folder: JobFolder, arrays: list[_Array]) -> None:
    for array in arrays:
        with staged_file(folder.path / array_file(array.name)) as staged, staged.open("wb") as file:
            _write_array(file, array, folder)


def _write_npz(folder: JobFolder, arrays: list[_Array]) -> None:
    with staged_file(folder.path / NPZ_FILE) as staged, zipfile.ZipFile(staged, "w") as archive:
        for array in arrays:
            member = zipfile.ZipInfo(array_file(array.name), _EPOCH)
            # vectors are noise to a compressor; texts of fixed width are mostly zeros
            member.compress_type = zipfile.ZIP_DEFLATED if array.dtype.kind == "U" else zipfile.ZIP_STORED
            with archive.open(member, "w", force_zip64=True) as file:
                _write_array(file, array, folder)


def _write_array(file: IO[bytes], array: _Array, folder: JobFolder) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": (folder.num_scored, *array.row_shape),
    }
    np.lib.format.write_array_header_2_0(file, header)
    for column in _column(folder, array.name):
        file.write(_numpy(column, array).tobytes())


def _numpy(column: pa.ChunkedArray[Any], array: _Array) -> npt.NDArray[Any]:
    if array.row_shape:
        vectors: Any = column.combine_chunks()
        return np.asarray(vectors.flatten())
    values = column.to_pylist() if array.dtype.kind == "U" else column.to_numpy()
    return np.array(values, array.dtype)


def _find_arrays(folder: JobFolder) -> list[_Array]:
    """What the columns will be; those that NumPy has no plain type for are not among them."""
    schema = _schema(folder)
    found = [_array(folder, field) for field in schema] if schema is not None else []
    return [array for array in found if array is not None]


def _array(folder: JobFolder, field: pa.Field[Any]) -> _Array | None:
    kind: Any = field.type
    if not has_array_file(field.name):
        return None
    if pa.types.is_fixed_size_list(kind):
        if kind.value_type not in (pa.float32(), pa.float64()) or any(map(_has_hole, _column(folder, field.name))):
            return None
        return _Array(field.name, np.dtype(kind.value_type.to_pandas_dtype()), (kind.list_size,))
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (is_text or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return None
    width = 1
    for column in _column(folder, field.name):
        if column.null_count:
            return None
        if is_text and len(column):
            width = max(width, pc.max(pc.utf8_length(column)).as_py())
    if is_text:
        return _Array(field.name, np.dtype(f"<U{width}"), ()) if width <= _MAX_TEXT else None
    return _Array(field.name, np.dtype(kind.to_pandas_dtype()), ())


def _has_hole(vectors: Any) -> bool:
    """Whether a vector, or a number of one, is null."""
    return bool(vectors.null_count) or any(chunk.flatten().null_count for chunk in vectors.chunks)


def _schema(folder: JobFolder) -> pa.Schema | None:
    from pyarrow import parquet

    parts = folder.parts
    return parquet.read_schema(folder.path / parts[0].file) if parts else None


def _column(folder: JobFolder, name: str) -> Iterator[pa.ChunkedArray[Any]]:
    """A column, part by part."""
    from pyarrow import parquet

    for part in folder.parts:
        if part.num_scored:
            yield parquet.read_table(folder.path / part.file, columns=[name], partitioning=None)[name]
