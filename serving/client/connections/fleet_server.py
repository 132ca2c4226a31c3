"""What is known of one of several servers, and that all of them must serve the same artifact."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from artifact.errors import ServerError, UnavailableError
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.connections.retries import Backoff

_IDLE_S = 1.0


class FleetServer:
    """One server; read and changed under the lock of whoever owns it.

    Attributes:
        connection: None until it has answered for the first time.
        is_up: whether calls go there.
        running: calls that are under way there.
        losses: how often it went away; an answer belongs to the count at which its call began.
        last_used: time of its last answer, by time.monotonic().
        is_confirmed: it has been asked, and no call went there since.
        failure: why it is not up; None where it is only asked again.
        backoff: the waits before it is asked again; they grow until a call succeeds, not only the asking.
        is_reported: that it is away has been said, and not yet that it is back.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection: GrpcConnection | None = None
        self.is_up = self.is_confirmed = False
        self.running = self.losses = 0
        self.last_used = 0.0
        self.failure: UnavailableError | None = None
        self.backoff = Backoff()
        self.is_reported = False

    def begin(self) -> int:
        """One more call is under way; gives `losses`."""
        self.running += 1
        self.is_confirmed = False
        return self.losses

    def end(self) -> None:
        """A call has ended."""
        self.running -= 1
        self.last_used = time.monotonic()

    def may_have_changed(self) -> bool:
        """Whether it could have been restarted unnoticed."""
        if self.connection is None or self.connection.names_digest or self.running or self.is_confirmed:
            return False
        return time.monotonic() - self.last_used > _IDLE_S


def connect_all(
    servers: Sequence[FleetServer], connect: Callable[..., GrpcConnection], timeout_s: float
) -> GrpcConnection | None:
    """Connect to every server at a time; gives one that is there, if any, all that are being of one artifact.

    Args:
        connect: takes a URL and `connect_timeout_s`.
    """

    def connect_to(server: FleetServer) -> None:
        try:
            server.connection = connect(server.url, connect_timeout_s=timeout_s)
            server.is_up = server.is_confirmed = True
        except UnavailableError as error:
            server.failure = error

    with ThreadPoolExecutor(len(servers)) as pool:
        for result in [pool.submit(connect_to, server) for server in servers]:
            result.result()
    there = [server.connection for server in servers if server.connection is not None]
    for connection in there[1:]:
        require_same(there[0], connection)
    return there[0] if there else None


def require_same(first: GrpcConnection, other: GrpcConnection) -> None:
    """Raise ServerError, naming both, unless two servers serve one version of one artifact."""
    if (first.version, first.digest) == (other.version, other.digest):
        return
    shown = [f"version {one.version} with digest {one.digest[:12]} at {one.url}" for one in (first, other)]
    raise ServerError(
        f"the servers serve different artifacts as model {first.model!r}",
        expected=shown[0],
        got=shown[1],
        mend="publish the same artifact to all of them, or ask for a version that all have",
    )
