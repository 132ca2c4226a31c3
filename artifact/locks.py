"""Locks between processes, on files and folders: exclusive or shared, waited for or not, with patience, or in passing.

The system drops them with the process that holds them, however it ends, so none is ever left behind. They are those of
flock: they bind only who asks for them, and two in one process exclude each other as well.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

LOCK_FILE = ".lookalike.lock"
"""Name of the file that a command locks in a folder that it changes: a repository, the output of a job."""

STALE_S = 60.0
"""A holder that has not moved for so long is not waited for with patience any more."""
_SAID_AFTER_S = 2.0
_POLL_S = 0.1


class FileLock:
    """The lock of a file or folder, held from here until `close`, or for the length of a `with`.

    Args:
        path: the file or folder.
        shared: together with others that share it; then the file need not be writable.
        wait: until those before have let go; else it must be free now.
        create: make the file where it is not there.

    Raises:
        BlockingIOError: somebody else holds it, and nobody waits.
        OSError: it is not there, may not be opened, or lies on a file system without locks.

    Attributes:
        handle: file descriptor of what is locked, to write with where the lock is exclusive.
    """

    def __init__(self, path: Path, *, shared: bool = False, wait: bool = False, create: bool = False) -> None:
        access = os.O_RDONLY if shared or path.is_dir() else os.O_RDWR
        self.handle = os.open(path, access | (os.O_CREAT if create else 0), 0o666)
        try:
            fcntl.flock(self.handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go; to be called once."""
        os.close(self.handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def passing_lock(file: Path, *, say_waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a file that is there only as long as somebody holds it; waits for as long as that takes.

    Decision a reader would question: a file that is removed may be locked by somebody who opened it before, while a new
    one of its name is locked by another. So who has locked one looks whether it is still the one of that name. After a
    kill it stays behind, and stands in nobody's way.

    Args:
        file: in a folder that is there; a name that nothing else has.
        say_waiting: called once when this takes seconds, with the holder as it calls itself ("process 123").

    Raises:
        OSError: it cannot be made, or lies on a file system without locks.
    """
    while True:
        handle = _handle_of(file)
        try:
            _wait_for(handle, say_waiting)
            if _is_of_name(handle, file):
                break
        except OSError:
            with suppress(OSError):
                file.unlink()  # a file system without locks: it never was one
            os.close(handle)
            raise
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    try:
        with suppress(OSError):
            os.truncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()}".encode(), 0)
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        os.close(handle)


@contextmanager
def patient_lock(file: Path, *, say_waiting: Callable[[], None]) -> Iterator[bool]:
    """Hold the lock of a file, which is made; True where it is held, False where nobody could be kept out.

    Decision a reader would question: a process that is stopped, or hangs on a dead disk, keeps its lock for ever, and
    what is locked with patience is only work that would be done twice. So the holder touches the file now and then, and
    who has waited for STALE_S without seeing that goes on without the lock.

    Args:
        file: in a folder that is there.
        say_waiting: called once when this takes seconds.
    """
    try:
        handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        yield False
        return
    try:
        yield _acquire(handle, say_waiting)
    finally:
        os.close(handle)


def keep_alive(file: Path) -> None:
    """Tell those who wait for a patient lock that this process, its holder, moves."""
    with suppress(OSError):
        os.utime(file)


def _handle_of(file: Path) -> int:
    try:
        return os.open(file, os.O_CREAT | os.O_RDWR, 0o666)
    except PermissionError:  # left behind by another user: it can be locked all the same
        if not file.exists():
            raise
        return os.open(file, os.O_RDONLY)


def _wait_for(handle: int, say_waiting: Callable[[str], None]) -> None:
    """Lock a file, however long that takes."""
    started = time.monotonic()
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() - started >= _SAID_AFTER_S:
                break
        time.sleep(_POLL_S)
    holder = os.pread(handle, 100, 0).decode("utf-8", "replace")
    say_waiting(holder if holder.isprintable() and holder else "another process")
    fcntl.flock(handle, fcntl.LOCK_EX)


def _is_of_name(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(file))
    except FileNotFoundError:
        return False


def _acquire(handle: int, say_waiting: Callable[[], None]) -> bool:
    started, has_said = time.monotonic(), False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.utime(handle)
            return True
        except BlockingIOError:
            if time.time() - os.fstat(handle).st_mtime > STALE_S:
                return False
        except OSError:  # a file system without locks
            return False
        if not has_said and time.monotonic() - started > _SAID_AFTER_S:
            has_said = True
            say_waiting()
        time.sleep(_POLL_S)
