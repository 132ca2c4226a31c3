"""A claim on a run folder: as long as one process holds it, no other one trains into that folder.

Decisions a reader would question:
- The folder itself is locked (artifact/locks.py), so nothing lies in it for that, and the claim ends with the process,
  however that ends. Who only reads the folder asks for no lock.
- A folder that is not there is made to be claimed, and is removed where nothing came of it. After a kill it stays,
  empty, and the next run takes it.
- On a file system without locks nobody is kept out before `create_run` finds another's configuration.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from artifact.errors import OutputError, RunError
from artifact.locks import FileLock
from trainer.run.folder import check_output, refused_output


@contextmanager
def claimed_new(path: Path) -> Iterator[None]:
    """Claim a folder for a new run. Raises OutputError: it holds anything, cannot be made, or another one claims it."""
    check_output(path)
    made: list[Path] = []
    try:
        lock = _locked(path, made)
    except BlockingIOError:
        raise refused_output(path, got="a run under way") from None
    try:
        check_output(path)  # the one before may just have let go
        yield
    finally:
        for each in reversed(made):
            with suppress(OSError):  # something came of it
                each.rmdir()
        if lock is not None:
            lock.close()


@contextmanager
def claimed_begun(path: Path) -> Iterator[None]:
    """Claim the folder of a run that goes on. Raises RunError where another process trains it."""
    try:
        lock = _lock(path)
    except BlockingIOError:
        mend = "wait for that process, or end it"
        expected, got = "one that no other process trains", "one under way"
        raise RunError("run to resume", expected=expected, got=got, where=path, mend=mend) from None
    try:
        yield
    finally:
        if lock is not None:
            lock.close()


def _locked(path: Path, made: list[Path]) -> FileLock | None:
    """The lock of a folder, which is made where it is not there; `made` gets what was."""
    while True:
        try:
            _make(path, made)
        except OSError as error:
            raise OutputError("run folder", got=error.strerror or str(error), where=path) from None
        lock = _lock(path)
        if lock is None or _is_still(path, lock):
            return lock
        lock.close()  # the one before removed it


def _make(path: Path, made: list[Path]) -> None:
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir()
            made.append(each)


def _lock(path: Path) -> FileLock | None:
    """None where nobody can be kept out; raises BlockingIOError where somebody is in."""
    try:
        return FileLock(path)
    except BlockingIOError:
        raise
    except OSError:
        return None


def _is_still(path: Path, lock: FileLock) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(lock.handle))
    except OSError:
        return False
