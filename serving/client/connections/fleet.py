"""A model on several servers, or on one, as a Connection that outlives them: the one place where calls are tried again.

What is below tries once and says what it met; what is above tries nothing again. Decisions a reader would question:
- A server that is away (UNAVAILABLE: gone, restarting, stopping) is left out until it is back, and the call goes to
  another. One that is busy stays in, since its other answers count; the call that it refused goes to another, or to
  it again after a wait. Where no server is left the call waits, for as long as `retry_s`; with 0 for neither.
- A missed deadline is not tried again: the batch may be what the server hangs on. Nor is any other failure.
- Whoever comes back is asked for version and digest before its answers count; what it answered in between is thrown
  away and asked for again. Another artifact stops everything: its vectors would be mixed with those before.
- Triton's answers do not name their digest, so such a server is asked again after a moment without calls too: it may
  have been restarted between two of them without either failing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from artifact.errors import BusyError, UnansweredError, UnavailableError
from serving.client.connection import Feeds, Outputs
from serving.client.connections.channels import parse_urls
from serving.client.connections.fleet_server import FleetServer
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.connections.patience import Patience
from serving.client.connections.servers import Servers
from serving.client.options import ScorerOptions
from serving.client.timings import Timings

Answer = TypeVar("Answer")

_MAX_IN_FLIGHT = 64


class _LostError(Exception):
    """A try that does not count: the server is away or busy, and why; or None where another call saw it."""

    def __init__(self, failure: UnavailableError | None) -> None:
        super().__init__(failure)
        self.failure = failure


class Fleet:
    """A Connection to a model of one server or of several.

    Args:
        model: name of the model, without suffix.
        options: those of a Scorer; `url` names the servers.
        connect: makes the connection to one server; takes what GrpcConnection takes.

    Raises:
        UsageError, ModelNotFoundError, UnavailableError: as GrpcConnection; unavailable only if all are.
        ServerError: as GrpcConnection; or they serve different artifacts.
    """

    is_local = False

    def __init__(
        self, model: str, options: ScorerOptions, *, connect: Callable[..., GrpcConnection] = GrpcConnection
    ) -> None:
        self.model, self.timings, self._retry_s = model, Timings(), options.retry_s

        def connect_to(url: str, timeout_s: float) -> GrpcConnection:
            return connect(model, replace(options, url=url), connect_timeout_s=timeout_s, timings=self.timings)

        self._servers = Servers(
            parse_urls(options.url),
            connect_to,
            timeout_s=options.timeout_s,
            retry_s=options.retry_s,
            report=options.report,
        )
        first, there = self._servers.first, self._servers.connections
        self.version, self.digest, self.manifest = first.version, first.digest, first.manifest
        limits = [connection.max_rows for connection in there if connection.max_rows is not None]
        self.max_rows = min(limits) if limits else None
        self.in_flight = min(_MAX_IN_FLIGHT, max(one.in_flight for one in there) * len(self._servers))

    def states(self) -> dict[str, str]:
        """See Connection."""
        return self._servers.states()

    def takes_encoded(self) -> bool:
        """See Connection; True if all that are there do."""
        return all(connection.takes_encoded() for connection in self._servers.connections)

    def run_pixels(self, feeds: Feeds) -> Outputs:
        """See Connection."""
        return self._run(lambda connection: connection.run_pixels(feeds))

    def run_encoded(self, feeds: Mapping[str, Any]) -> Outputs:
        """See Connection."""
        return self._run(lambda connection: connection.run_encoded(feeds))

    def confirm(self) -> None:
        """See Connection. One that says it is enough; whoever is away or busy is asked before its answers count."""
        for server in self._servers:
            losses = self._servers.take_this(server)
            if losses is not None:
                try:
                    self._attempt(server, losses, lambda connection: connection.confirm())
                except _LostError as lost:  # busy: left out as well, until it has said which artifact it has
                    self._servers.lose(server, losses, lost.failure)
        self._run(lambda connection: None)  # at least one is there, and none was found to have changed

    def close(self) -> None:
        """See Connection."""
        self._servers.close()

    def _run(self, act: Callable[[GrpcConnection], Answer]) -> Answer:
        """What `act` gives with some server, tried until patience ends."""
        patience = Patience(self._retry_s)
        while True:
            server, losses = self._servers.take(patience)
            try:
                return self._attempt(server, losses, act)
            except _LostError as lost:
                now = time.monotonic()
                patience.left_s(now)  # the time runs from the first failure
                if isinstance(lost.failure, BusyError):
                    patience.refused(server, lost.failure, now)

    def _attempt(self, server: FleetServer, losses: int, act: Callable[[GrpcConnection], Answer]) -> Answer:
        """What `act` gives with a server that was taken; raises _LostError where that does not count."""
        assert server.connection is not None
        try:
            answer = act(server.connection)
        except UnansweredError:
            raise
        except UnavailableError as error:
            self._servers.require_usable()  # one that was closed says so, whatever its last calls met
            if isinstance(error, BusyError):
                self._servers.refused(server)
            else:
                self._servers.lose(server, losses, error)
            raise _LostError(error) from None
        finally:
            self._servers.end(server)
        if server.losses != losses:  # it went away meanwhile: nobody knows yet who answered
            raise _LostError(None)
        self._servers.answered(server)
        return answer
