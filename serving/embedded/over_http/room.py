"""The memory that bodies may take while they come in: of all requests together, bounded as the server's requests are.

What has arrived counts from its first byte, and what a compressed body grows to counts as it grows. One request alone
may be larger than the bound, as everywhere in this server; its own limit is the message's.
"""

from __future__ import annotations

import threading

from artifact.errors import UnavailableError
from serving.protocol import QUEUE_FULL


class Room:
    """Bytes that all bodies together may have.

    Args:
        limit: so many; a body that is the only one may have more.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._changed = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes taken and not given back."""
        return self._held

    def take(self, mine: int, more: int) -> None:
        """Take `more` bytes for a body that has `mine`; raises UnavailableError where others leave no room for it."""
        with self._changed:
            others = self._held - mine
            if others and self._held + more > self._limit:
                raise UnavailableError(QUEUE_FULL)
            self._held += more

    def give_back(self, mine: int) -> None:
        """A body is gone."""
        with self._changed:
            self._held -= mine


class Held:
    """What one body holds of a room; a context manager that gives it back."""

    def __init__(self, room: Room) -> None:
        self._room, self.num_bytes = room, 0

    def add(self, num_bytes: int) -> None:
        """So many bytes more; raises UnavailableError where there is no room for them."""
        self._room.take(self.num_bytes, num_bytes)
        self.num_bytes += num_bytes

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *error: object) -> None:
        self._room.give_back(self.num_bytes)
        self.num_bytes = 0
