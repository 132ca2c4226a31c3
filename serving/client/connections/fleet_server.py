"""The state of one of several servers."""

from __future__ import annotations

import time

from artifact.errors import UnavailableError
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.connections.patience import BUSY_FIRST_S, BUSY_LAST_S, Backoff

_IDLE_S = 1.0


class FleetServer:
    """One server of a fleet and how it does; read and changed under the lock of whoever owns it.

    Attributes:
        url: HOST:PORT.
        connection: None until it has answered for the first time.
        is_up: whether calls go there.
        running: calls that are under way there.
        losses: how often it went away; an answer belongs to the count at which its call began.
        last_used: time of its last answer, by time.monotonic().
        is_confirmed: it has been asked, and no call went there since.
        failure: why it is not up; None where it is only asked again.
        backoff: the waits before it is asked again; they grow until a call succeeds, not only the asking.
        busy_until: it refused calls lately, so others are preferred until then, by time.monotonic().
        is_reported: that it is away has been said, and not yet that it is back.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection: GrpcConnection | None = None
        self.is_up = self.is_confirmed = False
        self.running = self.losses = 0
        self.last_used = self.busy_until = 0.0
        self.failure: UnavailableError | None = None
        self.backoff = Backoff()
        self.is_reported = False
        self._busy_backoff = Backoff(BUSY_FIRST_S, BUSY_LAST_S)

    def begin(self) -> int:
        """One more call is under way; gives `losses`."""
        self.running += 1
        self.is_confirmed = False
        return self.losses

    def end(self) -> None:
        """A call has ended."""
        self.running -= 1
        self.last_used = time.monotonic()

    def answered(self) -> None:
        """A call was answered, so the waits begin anew."""
        self.backoff, self._busy_backoff, self.busy_until = Backoff(), Backoff(BUSY_FIRST_S, BUSY_LAST_S), 0.0

    def refused(self, now: float) -> None:
        """A call was refused since the server is busy."""
        if now >= self.busy_until:  # of many refusals at a time one counts
            self.busy_until = now + self._busy_backoff.next_s()

    def may_have_changed(self) -> bool:
        """Whether it could have been restarted unnoticed."""
        if self.connection is None or self.connection.names_digest or self.running or self.is_confirmed:
            return False
        return time.monotonic() - self.last_used > _IDLE_S
