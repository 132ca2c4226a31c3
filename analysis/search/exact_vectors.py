"""The vectors themselves beside an index of codes: FILE.vectors-HASH.npy, float32 [N, n], read by row where they lie.

Decisions a reader would question:
- They are not read from the table that was indexed. A row of Parquet cannot be read alone: the candidates of one query
  lie in as many row groups, and to answer it would read the whole table. A plain array costs its bytes once on disk,
  and a candidate a page of it; any program reads it with `numpy.load`.
- Its name holds the SHA-256 of what is in it, so the vectors of an old index and of a new one stand beside each other
  until the old index is gone, and a kill leaves one of both whole.
- When it is opened its size and 256 of its rows are looked at, not all of it: to read it whole is what such an index is
  there to avoid.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import Vectors
from artifact.atomic import staged_file
from artifact.errors import DataError
from rows.vectors.own.spool import mapped, told_of_room, unnamed_file

_SAMPLE = 256
_ROWS_AT_ONCE = 1 << 14
_MIDDLE, _SUFFIX = ".vectors-", ".npy"


def spooled_vectors(batches: Iterable[Vectors], dim: int) -> Vectors:
    """Rows that come in batches, in a mapped file without a name; raises OutputError where TMPDIR has no room."""
    with unnamed_file() as file:
        for batch in batches:
            with told_of_room():
                file.write(np.ascontiguousarray(batch, np.float32).data)
        return np.frombuffer(mapped(file), np.float32).reshape(-1, dim)


def vectors_file(file: Path, digest: str) -> Path:
    """FILE.vectors-HASH.npy."""
    return file.with_name(file.name + _MIDDLE + digest[:16] + _SUFFIX)


def vectors_files(file: Path) -> list[Path]:
    """All such files that lie beside FILE now."""
    return sorted(each for each in file.parent.glob("*" + _SUFFIX) if _is_of(each.name, file.name))


def _is_of(name: str, file: str) -> bool:
    digest = name.removeprefix(file + _MIDDLE).removesuffix(_SUFFIX)
    return name == file + _MIDDLE + digest + _SUFFIX and len(digest) == 16 and set(digest) <= set("0123456789abcdef")


def write_vectors(file: Path, vectors: Vectors) -> dict[str, Any]:
    """Write them beside FILE; what `open_vectors` wants to know of them. Raises OutputError."""
    file = Path(os.path.realpath(file))
    hashed = hashlib.sha256()
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        hashed.update(np.ascontiguousarray(vectors[first : first + _ROWS_AT_ONCE]).data)
    digest = hashed.hexdigest()
    with staged_file(vectors_file(file, digest)) as staged, open(staged, "wb") as out:
        header = {"descr": "<f4", "fortran_order": False, "shape": vectors.shape}
        np.lib.format.write_array_header_1_0(out, header)
        for first in range(0, len(vectors), _ROWS_AT_ONCE):
            out.write(np.ascontiguousarray(vectors[first : first + _ROWS_AT_ONCE], "<f4").data)
    return {"sha256": digest, "sample": _sample_digest(vectors), "shape": list(vectors.shape)}


def remove_other_vectors(file: Path, facts: dict[str, Any] | None) -> None:
    """Remove the vectors of indexes that stood in the place of FILE before; they go when nobody has them open."""
    file = Path(os.path.realpath(file))
    kept = None if facts is None else vectors_file(file, facts["sha256"])
    for each in vectors_files(file):
        if each != kept:
            with suppress(OSError):
                each.unlink()


def open_vectors(file: Path, facts: dict[str, Any]) -> Vectors:
    """float32 [N, n], mapped; raises FileNotFoundError, or DataError where they are not those of the index."""
    path = vectors_file(Path(os.path.realpath(file)), facts["sha256"])
    vectors: Vectors
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        is_right = list(vectors.shape) == facts["shape"] and vectors.dtype == np.float32
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError):
        is_right = False
    if not is_right or _sample_digest(vectors) != facts["sample"]:
        raise DataError(
            "vectors of the index",
            expected="the file that it was written with",
            got="another one",
            where=path,
            mend="build the index again",
        )
    return vectors


def _sample_digest(vectors: Vectors) -> str:
    rows = np.unique(np.linspace(0, len(vectors) - 1, _SAMPLE).astype(np.int64))
    return hashlib.sha256(np.ascontiguousarray(vectors[rows], "<f4").tobytes()).hexdigest()


def missing_vectors(file: Path, facts: dict[str, Any]) -> DataError:
    """The error for vectors that are not there."""
    path = vectors_file(file, facts["sha256"])
    mend = "copy it with the index, or build the index again"
    return DataError("index", expected=f"{path.name} beside it", got="no such file", where=file, mend=mend)
