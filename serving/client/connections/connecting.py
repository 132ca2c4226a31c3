"""The first connections of a fleet: to every server at a time, and all to one artifact."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from artifact.errors import BusyError, ServerError, UnavailableError
from serving.client.connections.fleet_server import FleetServer
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.connections.patience import Backoff

Connect = Callable[[str, float], GrpcConnection]
"""The connection to HOST:PORT, tried once, by a deadline in seconds."""

CONNECT_TIMEOUT_S = 3.0
"""For a server that is not there: people start one and score in one breath."""
_QUICKLY_S = 1.0
_LAST_WAIT_S = 0.4


def connect_first(
    servers: Sequence[FleetServer], connect: Connect, *, timeout_s: float, retry_s: float
) -> GrpcConnection:
    """Connect to every server; gives one that is there, all that are being of one artifact.

    One that answers is enough to begin with; what the others failed with stands in their `failure`.

    Args:
        timeout_s: deadline of a call, and at most how long to ask a server again that is not there, in seconds.
        retry_s: how long to ask a server again that is only busy, in seconds.

    Raises:
        UnavailableError: none is there.
        LookalikeError: one cannot be used, or they serve different artifacts.
    """
    first = None
    if len(servers) > 1:
        first = _connect_all(servers, connect, away_s=min(_QUICKLY_S, timeout_s), busy_s=min(_QUICKLY_S, retry_s))
    first = first or _connect_all(servers, connect, away_s=min(CONNECT_TIMEOUT_S, timeout_s), busy_s=retry_s)
    if first is None:
        raise next(server.failure for server in servers if server.failure is not None)
    return first


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


def _connect_all(
    servers: Sequence[FleetServer], connect: Connect, *, away_s: float, busy_s: float
) -> GrpcConnection | None:
    enough = threading.Event()  # one is there, or all is over: nobody waits any longer

    def connect_to(server: FleetServer) -> None:
        started, left_s, backoff = time.monotonic(), away_s, Backoff(last_s=_LAST_WAIT_S)
        while True:
            try:
                server.connection = connect(server.url, left_s)
            except UnavailableError as error:
                server.failure = error
                patience_s = busy_s if isinstance(error, BusyError) else away_s
            else:
                server.is_up = server.is_confirmed = True
                enough.set()
                return
            wait_s = backoff.next_s()
            waited_s = time.monotonic() - started + wait_s
            if waited_s >= patience_s or enough.wait(wait_s):
                return
            left_s = away_s if isinstance(server.failure, BusyError) else away_s - waited_s

    with ThreadPoolExecutor(len(servers)) as pool:
        try:
            for result in [pool.submit(connect_to, server) for server in servers]:
                result.result()
        finally:
            enough.set()
    there = [server.connection for server in servers if server.connection is not None]
    for connection in there[1:]:
        require_same(there[0], connection)
    return there[0] if there else None
