"""A lock between processes that is waited for only as long as its holder moves.

Decision a reader would question: a process that is stopped, or hangs on a dead disk, keeps its lock for ever, and
what is locked here is only work that would be done twice. So the holder touches the file now and then, and who has
waited for a minute without seeing that goes on without the lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STALE_S = 60.0
_SAID_AFTER_S = 2.0
_POLL_S = 0.1


@contextmanager
def patient_lock(file: Path, *, say_waiting: Callable[[], None]) -> Iterator[bool]:
    """Hold the lock of a file, which is made; True where it is held, False where nobody could be kept out.

    Args:
        file: in a folder that is there. The system drops the lock with the process.
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
    """Tell those who wait that this process moves."""
    with suppress(OSError):
        os.utime(file)


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
