"""Rows that are being computed: who computes each (its leader), who waits for it, and how it ended."""

from __future__ import annotations

import threading
from enum import Enum

from artifact.errors import UnavailableError
from serving.embedded.requests.caller import CANCELLED, Presence


class LetGo(Enum):
    """Why a leader left a row without an outcome.

    Attributes:
        HANDED_OVER: it is not wanted any more by its client, or could not be computed beside another row: the first of
            those who wait leads on.
        LEFT: its own request was refused or failed, which says nothing of the row: each of them sees for itself.
    """

    HANDED_OVER = "handed over"
    LEFT = "left"


Outcome = bytes | Exception | LetGo
"""A row's bytes; what is wrong with it; or nothing."""


class Flight:
    """A row that is being computed; `outcome` is None until it ends. Changed under the cache's lock only."""

    __slots__ = ("_waiting", "outcome")

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self._waiting: list[threading.Event] = []

    def join(self, ended: threading.Event) -> None:
        """Have an event set at the end."""
        self._waiting.append(ended)

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        for ended in self._waiting:
            ended.set()
        self._waiting.clear()

    def wait(self, changed: threading.Event, presence: Presence) -> Outcome:
        """Wait for the end.

        Args:
            changed: was joined, and is set too when the client goes away.

        Raises:
            UnavailableError: nobody waits for the answer any more.
        """
        while self.outcome is None:
            if not presence.is_active():
                raise UnavailableError(CANCELLED)
            with presence.resting():
                changed.wait()
            changed.clear()
        return self.outcome
