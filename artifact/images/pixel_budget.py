"""The byte budget of decoded pixels in flight: who decodes a large picture waits until there is room for it.

Decisions a reader would question:
- One budget for the whole process, whoever decodes: a job, a server and a training run share its memory.
- It grows with the cores, a photograph of 12 megapixels for each, so that ordinary pictures never wait; below that
  there is room for one large picture beside a few others.
- Turns are in order of arrival, so that a stream of small pictures does not keep a large one waiting for ever. One that
  is larger than the budget goes when it is alone; it was let in by the limits.
- Small pictures are not counted: their bookkeeping would cost more than it saves.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .cores import available_cores

_LEAST_BYTES = 512 * 2**20
_BYTES_A_CORE = 128 * 2**20
_SMALL_BYTES = 4 * 2**20


class PixelBudget:
    """Bytes that the threads of a process may fill with pixels at a time; in a forked child all of them are free.

    Args:
        max_bytes: of all that hold some, but that one alone may hold more; None for what fits the cores of the process,
            counted when somebody holds some for the first time.
        small_bytes: who needs less is let through without being counted.
    """

    def __init__(self, max_bytes: int | None = None, *, small_bytes: int = _SMALL_BYTES) -> None:
        self._max_bytes, self._small_bytes = max_bytes, small_bytes
        self._begin()

    @property
    def max_bytes(self) -> int:
        """Of all that hold some."""
        if self._max_bytes is None:
            self._max_bytes = default_bytes()
        return self._max_bytes

    @contextmanager
    def hold(self, num_bytes: int) -> Iterator[None]:
        """Wait for a turn and for room, and keep it to the end of the context. Not to be held twice by one thread."""
        if num_bytes < self._small_bytes:
            yield
            return
        if self._pid != os.getpid():  # those who held some, or waited, are threads of another process
            self._begin()
        changed, waiting, turn, held = self._changed, self._waiting, object(), 0
        try:
            with changed:
                waiting.append(turn)
                try:
                    changed.wait_for(lambda: waiting[0] is turn and self._has_room(num_bytes))
                    held = num_bytes
                    self._held += held
                finally:
                    waiting.remove(turn)
                    changed.notify_all()
            yield
        finally:
            with changed:
                self._held -= held
                changed.notify_all()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._held = 0
        self._pid = os.getpid()

    def _has_room(self, num_bytes: int) -> bool:
        return not self._held or self._held + num_bytes <= self.max_bytes


def give_back_freed() -> None:
    """Give freed memory back to the system; does nothing where the C library has no way to be told.

    glibc keeps for each thread what Pillow has freed, and the threads of a pool would come to hold a picture each.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


def default_bytes(*, root: Path = Path("/")) -> int:
    """For the cores that this process may use (cores.py); `root` is where proc/ and sys/ lie."""
    return max(_LEAST_BYTES, available_cores(root=root) * _BYTES_A_CORE)


PIXEL_BUDGET = PixelBudget()
"""Of this process."""
