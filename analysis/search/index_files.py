"""The files of a search index, written and changed so that there is always one whole set of them.

FILE is a plain faiss index, FILE.rows.parquet holds ids, copied columns and lineage, and the SHA-256 of FILE. An index
of codes has its vectors in a third, which is written first and named by what is in it: exact_vectors.py.

Decisions a reader would question:
- Two files cannot be renamed at once. The rows come first, as FILE.rows.next.parquet; FILE renamed over the old one
  makes the new pair the index; then the rows take their name. Who opens takes the rows that name FILE's own hash, so a
  kill at any moment leaves the old index or the new one, and a pair that was copied in half is refused.
- Whoever changes an index locks its folder, from before it is read until it is written: of two who add at once, the
  second waits and adds to what the first left. A file of locks would stay behind, and FILE itself is replaced. Where
  a file system locks no folders there is no such waiting, and of two at once one may be lost.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.neighbours.faiss_library import load_faiss
from analysis.search.coded import CodedIndex
from analysis.search.exact_vectors import (
    missing_vectors,
    open_vectors,
    remove_other_vectors,
    vectors_files,
    write_vectors,
)
from artifact.atomic import staged_file, sync_folder
from artifact.errors import DataError, OutputError
from artifact.locks import FileLock
from rows.vectors.parts import write_part

ROWS_SUFFIX = ".rows.parquet"
_METADATA_KEY = b"lookalike.index"
_NEXT_SUFFIX = ".rows.next.parquet"
_WITHOUT_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems say that lock no folders, NFS among them."""
_TRIES = 3
"""An index may be replaced while it is opened; then nobody may for a moment."""


def rows_file(file: Path) -> Path:
    """FILE.rows.parquet, beside FILE."""
    return file.with_name(file.name + ROWS_SUFFIX)


def index_files(file: Path) -> list[Path]:
    """Every file that writing an index may make or replace."""
    return [file, rows_file(file), _coming(file), *vectors_files(file)]


def _coming(file: Path) -> Path:
    """The rows of an index that is being written; links are followed, as where it is written they are."""
    return Path(os.path.realpath(rows_file(file))).with_name(file.name + _NEXT_SUFFIX)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep others from changing an index, waiting for one who does; raises OutputError where that is not possible."""
    folder = Path(os.path.realpath(file)).parent
    lock = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder, wait=True)
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            got = error.strerror or str(error)
            raise OutputError("cannot lock the folder", got=got, where=folder) from None
    with lock or nullcontext():
        yield


def write_files(file: Path, faiss_index: Any, rows: pa.Table, facts: dict[str, Any]) -> None:
    """Write an index in the place of the one that may be there. Call it with the folder locked.

    Args:
        rows: with its lineage in the schema metadata.
        facts: what `read_files` gives back, besides "sha256".

    Raises:
        OutputError: no plain file, or the folder is full or may not be written to.
    """
    faiss = load_faiss()

    beside, coming = Path(os.path.realpath(rows_file(file))), _coming(file)
    written, vectors, before = None, None, vectors_files(file)
    try:
        if isinstance(faiss_index, CodedIndex):
            vectors = write_vectors(file, faiss_index.vectors)
            faiss_index, facts = faiss_index.codes, facts | {"vectors": vectors}
        with staged_file(file) as staged:
            if beside.is_dir():
                raise OutputError("output", expected="a plain file or nothing yet", got="a folder", where=beside)
            try:
                faiss.write_index(faiss_index, str(staged))
            except RuntimeError as error:  # what faiss says for every failure to write
                raise OutputError("cannot write the index", got=str(error).splitlines()[0], where=file) from None
            written = staged.stat().st_ino
            metadata = {_METADATA_KEY: json.dumps(facts | {"sha256": _sha256(staged)}, sort_keys=True).encode()}
            write_part(coming, rows.replace_schema_metadata((rows.schema.metadata or {}) | metadata))
        os.replace(coming, beside)
        sync_folder(beside.parent)
        remove_other_vectors(file, vectors)
    except BaseException:
        if written is None or not os.path.exists(file) or file.stat().st_ino != written:
            for left in (coming, *(each for each in vectors_files(file) if each not in before)):
                with suppress(OSError):
                    left.unlink()  # of an index that did not come
        raise


def read_files(file: Path, *, is_mapped: bool) -> tuple[Any, pa.Table, dict[str, Any]]:
    """(faiss index, rows, facts) that `write_files` wrote.

    Args:
        is_mapped: leave the vectors in the file, to be searched; else they are in memory, to be changed.

    Raises:
        DataError: a file is missing or broken, or the two do not belong together.
    """
    for _ in range(_TRIES):
        found = _read_pair(file, is_mapped=is_mapped)
        if found is not None:
            return found
    with locked(file):
        found = _read_pair(file, is_mapped=is_mapped)
    if found is None:
        raise DataError("index", expected="files that stay as they are for a moment", got="changing ones", where=file)
    return found


def _read_pair(file: Path, *, is_mapped: bool) -> tuple[Any, pa.Table, dict[str, Any]] | None:
    """What `read_files` gives; None where the index was replaced in the meantime."""

    faiss = load_faiss()
    beside, coming = rows_file(file), _coming(file)
    if not file.is_file() or not (beside.is_file() or coming.is_file()):
        missing = beside if file.is_file() else file
        expected = f"{file.name} and {beside.name}"
        raise DataError("index", expected=expected, got=f"no {missing.name}", where=file.parent)
    with open(file, "rb") as held:  # while it is open no other file is taken for it
        digest = hashlib.file_digest(held, "sha256").hexdigest()
        for candidate in (beside, coming, beside):  # once more: it may have taken its name since
            with suppress(FileNotFoundError):
                rows, facts = _read_rows(candidate)
                if facts["sha256"] == digest:
                    break
        else:
            if not _is_still(file, held.fileno()):
                return None
            raise DataError(
                "index",
                expected=f"the faiss file that {beside.name} was written with",
                got="another one",
                where=file,
                mend="build the index again",
            )
        try:
            faiss_index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC if is_mapped else 0)
        except RuntimeError as error:
            raise DataError("index", expected="a faiss file", got=str(error).splitlines()[0], where=file) from None
        if facts.get("vectors"):
            try:
                vectors = open_vectors(file, facts["vectors"])
            except FileNotFoundError:
                if not _is_still(file, held.fileno()):
                    return None
                raise missing_vectors(file, facts["vectors"]) from None
            faiss_index = CodedIndex(faiss_index, vectors, candidates=int(facts["parameters"]["candidates"]))
        return (faiss_index, rows, facts) if _is_still(file, held.fileno()) else None


def _is_still(file: Path, handle: int) -> bool:
    """Whether a file that was opened is the one of that name."""
    return file.exists() and os.path.samestat(os.stat(file), os.fstat(handle))


def _read_rows(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as opened:
            rows = opened.read()
        facts = json.loads((rows.schema.metadata or {})[_METADATA_KEY])
        return rows, facts | {key: facts[key] for key in ("kind", "distance", "sha256")}
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "index rows", expected="what Index.save wrote", got=str(error)[:200] or type(error).__name__, where=path
        ) from None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
