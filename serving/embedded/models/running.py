"""The requests that are in the server: counted, and bounded in number and in bytes."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from serving.embedded.batching.room import queue_full


class Activity(NamedTuple):
    """How many requests have begun since the start, and for how many seconds none runs; 0 while one does."""

    num_begun: int
    idle_s: float


class Running:
    """Counts requests from their beginning to their end; safe to use from any thread.

    Args:
        most: of them at a time.
        most_bytes: of all of them together; one alone may have more.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self._most_bytes = most, most_bytes
        self._lock = threading.Lock()  # guards all that follows
        self._num_running = self._num_begun = self._bytes = 0
        self._last_end_s = time.monotonic()

    @property
    def now(self) -> tuple[int, int]:
        """How many there are, and their bytes."""
        with self._lock:
            return self._num_running, self._bytes

    def activity(self) -> Activity:
        """Requests so far, and for how long there have been none."""
        with self._lock:
            return Activity(self._num_begun, 0.0 if self._num_running else time.monotonic() - self._last_end_s)

    def begin(self, num_bytes: int) -> None:
        """Another one; raises UnavailableError where there is no room for it."""
        with self._lock:
            if self._num_running >= self.most:
                raise queue_full(f"{self.most} requests are in the server (max_queue)")
            if self._bytes and self._bytes + num_bytes > self._most_bytes:
                raise queue_full(
                    f"the requests in the server would be over {self._most_bytes} bytes (max_running_bytes)"
                )
            self._num_running += 1
            self._num_begun += 1
            self._bytes += num_bytes

    def end(self, num_bytes: int) -> None:
        """One that began with so many bytes is over."""
        with self._lock:
            self._num_running -= 1
            self._bytes -= num_bytes
            self._last_end_s = time.monotonic()
