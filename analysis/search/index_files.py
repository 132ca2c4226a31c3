"""The files of a search index, written and changed so that there is always one whole set of them.

FILE is a plain faiss index, FILE.rows.parquet holds ids, copied columns and lineage, and the SHA-256 of FILE. An index
of codes has its vectors in a third, which is written first and named by what is in it: exact_vectors.py.

Decisions a reader would question:
- Two files cannot be renamed at once. The rows come first, as FILE.rows.next.parquet; FILE renamed over the old one
  makes the new pair the index; then the rows take their name. Who opens takes the rows that name FILE's own hash, so a
  kill at any moment leaves the old index or the new one, and a pair that was copied in half is refused.
- After a kill between the last two, FILE.rows.next.parquet holds the only rows of FILE. So whoever writes next gives
  them their name before anything else, and removes nothing that it has not written.
- Whoever changes an index locks .FILE.lock, from before the index is read until it is written: of two who add at once,
  the second waits and adds to what the first left. FILE itself is replaced, and its folder may be locked by a training
  or a job whose output it is. Where a file system has no locks there is no such waiting, and of two at once one may be
  lost.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
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
from artifact.locks import passing_lock
from rows.vectors.parts import write_part

ROWS_SUFFIX = ".rows.parquet"
_METADATA_KEY = b"lookalike.index"
_NEXT_SUFFIX = ".rows.next.parquet"
_WITHOUT_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems say that have no locks."""

SayWaiting = Callable[[str], None]
"""Tells who is waited for, in one line."""
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
def locked(file: Path, *, say_waiting: SayWaiting | None = None, makes_folder: bool = False) -> Iterator[None]:
    """Keep others from changing an index, waiting for one who does.

    Args:
        say_waiting: called once when this takes seconds; None: nobody is told.
        makes_folder: for an index that is to be written; where there is no folder there is none to be changed.

    Raises:
        OutputError: the folder cannot be made, or the lock.
    """
    target = Path(os.path.realpath(file))

    def say(holder: str) -> None:
        if say_waiting is not None:
            say_waiting(f"{file} is being changed by {holder}, which is waited for")

    with ExitStack() as stack:
        try:
            if makes_folder:
                target.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(passing_lock(target.with_name(f".{target.name}.lock"), say_waiting=say))
        except (FileNotFoundError, NotADirectoryError) as error:
            if makes_folder:
                raise _cannot_lock(error, target.parent) from None
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise _cannot_lock(error, target.parent) from None
        yield


def _cannot_lock(error: OSError, folder: Path) -> OutputError:
    return OutputError("cannot lock the index", got=error.strerror or str(error), where=folder)


def write_files(file: Path, faiss_index: Any, rows: pa.Table, facts: dict[str, Any]) -> None:
    """Write an index in the place of the one that may be there. Call it while it is `locked`.

    Args:
        rows: with its lineage in the schema metadata.
        facts: what `read_files` gives back, besides "sha256".

    Raises:
        OutputError: no plain file, or the folder is full or may not be written to.
    """
    faiss = load_faiss()

    beside, coming = Path(os.path.realpath(rows_file(file))), _coming(file)
    _name_rows(file, beside, coming)
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
            # of an index that did not come; rows that were there before it are of none either, else they had their name
            for left in (coming, *(each for each in vectors_files(file) if each not in before)):
                with suppress(OSError):
                    left.unlink()
        raise


def _name_rows(file: Path, beside: Path, coming: Path) -> None:
    """Finish what was killed: give the rows of FILE their name, where they wait for it still."""
    if not coming.is_file() or not file.is_file():
        return
    digest = _sha256(file)
    if digest == _named_digest(beside) or digest != _named_digest(coming):
        return
    try:
        os.replace(coming, beside)
        sync_folder(beside.parent)
    except OSError as error:
        raise OutputError("cannot write the index", got=error.strerror or str(error), where=beside) from None


def _named_digest(path: Path) -> str | None:
    """The SHA-256 of the faiss file that rows belong to; None where they are not there, or are none."""
    try:
        digest: str = _read_rows(path)[1]["sha256"]
        return digest
    except (FileNotFoundError, DataError):
        return None


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
    with ExitStack() as stack:
        with suppress(OutputError):  # in a folder where nobody may write, nobody changes it
            stack.enter_context(locked(file))
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
