"""The leases of a model in memory: it is not closed while a request holds one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Leased:
    """What requests hold while they are answered."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._leases = 0

    @contextmanager
    def lease(self) -> Iterator[None]:
        """A context in which it is not closed."""
        with self._changed:
            self._leases += 1
        try:
            yield
        finally:
            with self._changed:
                self._leases -= 1
                self._changed.notify_all()

    def wait_until_free(self) -> None:
        """Wait until nobody holds a lease."""
        with self._changed:
            self._changed.wait_for(lambda: self._leases == 0)
