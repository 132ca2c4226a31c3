"""The answer of a request that waits or runs: set once, by the thread that ran it, while another waits for it.

A concurrent.futures.Future does the same with a condition, and callbacks that nobody sets here; one lock costs less,
and wakes the thread that waits once, not twice.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Pending(Generic[Result]):
    """An answer that is still to come."""

    __slots__ = ("_error", "_is_done", "_not_done", "_result")

    def __init__(self) -> None:
        self._is_done = False
        self._result: Result | None = None
        self._error: Exception | None = None
        self._not_done = threading.Lock()
        self._not_done.acquire()

    def done(self) -> bool:
        """Whether it is there."""
        return self._is_done

    def set_result(self, result: Result) -> None:
        """It is there."""
        self._require_open()
        self._result = result
        self._end()

    def set_exception(self, error: Exception) -> None:
        """There will be none, and why."""
        self._require_open()
        self._error = error
        self._end()

    def result(self, timeout_s: float | None = None) -> Result:
        """Wait for it.

        Raises:
            TimeoutError: it is not there after `timeout_s`.
            Exception: what `set_exception` was given.
        """
        if not self._is_done:
            if not self._not_done.acquire(timeout=-1 if timeout_s is None else min(timeout_s, threading.TIMEOUT_MAX)):
                raise TimeoutError
            self._not_done.release()
        try:
            if self._error is not None:
                raise self._error
            return self._result  # type: ignore[return-value]  # it is there
        finally:
            del self  # of which the error's traceback would hold a frame

    def _require_open(self) -> None:
        if self._is_done:
            raise RuntimeError("an answer is set once")

    def _end(self) -> None:
        self._is_done = True
        self._not_done.release()
