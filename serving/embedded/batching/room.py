"""Room for what waits: so much at a time, in whatever unit costs; what does not fit is refused, and told which bound.

Triton refuses with "Exceeds maximum queue size" alone, as is done here for a bound of config.pbtxt; of the server's own
bounds the option that moves it stands behind these words.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from artifact.errors import UnavailableError
from serving.protocol import QUEUE_FULL


def queue_full(bound: str) -> UnavailableError:
    """The refusal of a request that a bound of the server keeps out, which is named."""
    return UnavailableError(f"{QUEUE_FULL}: {bound}")


class Room:
    """Room for so much at a time; safe to use from any thread.

    Args:
        most: of all that hold some; one alone may hold more.
        bound: that in words, for refusals.
    """

    def __init__(self, most: float, bound: str) -> None:
        self._most, self._bound = most, bound
        self._lock = threading.Lock()
        self._held = 0.0
        self._holders = 0

    @contextmanager
    def hold(self, amount: float) -> Iterator[None]:
        """Hold some to the end of the context. Raises UnavailableError where it does not fit."""
        with self._lock:
            if self._holders and self._held + amount > self._most:
                raise queue_full(self._bound)
            self._held += amount
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                self._held = self._held - amount if self._holders else 0.0
