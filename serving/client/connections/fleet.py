"""One model on several servers, or on one, as a Connection that outlives them.

Work goes to the server with the least of it, a server that goes away is left out until it is back, and when all are
away calls wait.

Decisions a reader would question:
- Only what a server answers with UNAVAILABLE, or its absence, is tried again. A missed deadline is not: the batch may
  be what the server hangs on. One that is only busy stays in and is asked again: its other answers count.
- Whoever comes back is asked for version and digest before its answers count; what it answered in between is thrown
  away and asked for again. Another artifact stops everything: its vectors would be mixed with those before.
- Triton's answers do not name their digest, so such a server is asked again after a moment without calls too: it may
  have been restarted between two of them without either failing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from artifact.errors import LookalikeError, ServerError, UnansweredError, UnavailableError
from artifact.preprocessing import Pixels
from serving.client.connections.channels import Access, parse_urls
from serving.client.connections.connection import Outputs
from serving.client.connections.fleet_server import FleetServer, connect_all, require_same
from serving.client.connections.grpc_connection import CONNECT_TIMEOUT_S, GrpcConnection
from serving.client.connections.retries import Backoff
from serving.client.connections.status import is_busy
from serving.client.connections.timings import Timings

Answer = TypeVar("Answer")

DEFAULT_RETRY_S = 120.0
_QUICKLY_S = 1.0
_PROBE_TIMEOUT_S = 5.0
_MAX_IN_FLIGHT = 64


class _LostError(Exception):
    """A server went away, or is busy: why, or None where another call saw it."""

    def __init__(self, failure: UnavailableError | None) -> None:
        super().__init__(failure)
        self.failure = failure


class Fleet:
    """A Connection to a model of one server or of several.

    Args:
        urls: HOST:PORT, several with commas or as a list.
        model: name of the model, without suffix.
        version: default whichever they serve.
        access: TLS and token, for all of them.
        timeout_s: deadline of every try in seconds.
        retry_s: how long a call waits for a server when all are away, in seconds; 0 for not at all.
        connect_timeout_s: how long to wait for the first answers.
        timings: are told of every batch.
        report: gets a line when a server goes away and when it is back; what it raises is dropped.

    Raises:
        UsageError, ModelNotFoundError, UnavailableError: as GrpcConnection; unavailable only if all are.
        ServerError: as GrpcConnection; or they serve different artifacts.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        model: str,
        *,
        version: int | None = None,
        access: Access | None = None,
        timeout_s: float = 60.0,
        retry_s: float = DEFAULT_RETRY_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        timings: Timings | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.model, self._report = model, report or (lambda line: None)
        self._timeout_s, self._retry_s = timeout_s, retry_s
        self._connect = partial(
            GrpcConnection, model=model, version=version, access=access, timeout_s=timeout_s, timings=timings
        )
        self._servers = [FleetServer(url) for url in parse_urls(urls)]
        self._state = threading.Condition()
        self._closed = threading.Event()
        self._fatal: LookalikeError | None = None
        try:
            # one that answers is enough to begin with: the others are taken in when they come
            quickly_s = min(connect_timeout_s, _QUICKLY_S)
            first = connect_all(self._servers, self._connect, quickly_s) if len(self._servers) > 1 else None
            first = first or connect_all(self._servers, self._connect, connect_timeout_s)
            if first is None:
                raise next(server.failure for server in self._servers if server.failure is not None)
        except BaseException:
            self.close()
            raise
        self.version, self.digest, self.manifest = first.version, first.digest, first.manifest
        there = [server.connection for server in self._servers if server.connection is not None]
        limits = [connection.max_rows for connection in there if connection.max_rows is not None]
        self.max_rows = min(limits) if limits else None
        self.in_flight = min(_MAX_IN_FLIGHT, max(one.in_flight for one in there) * len(self._servers))
        for server in self._servers:
            if not server.is_up:
                self._start_reviving(server)

    def states(self) -> dict[str, str]:
        """{HOST:PORT: "answers", or why it does not}."""
        with self._state:
            return {
                server.url: "answers" if server.is_up else str(server.failure or "asked again")
                for server in self._servers
            }

    def takes_encoded(self) -> bool:
        """See Connection; True if all that are there do."""
        there = [server.connection for server in self._servers if server.connection is not None]
        return all(connection.takes_encoded() for connection in there)

    def run_pixels(self, feeds: Mapping[str, Pixels]) -> Outputs:
        """See Connection."""
        return self._run(lambda connection: connection.run_pixels(feeds))

    def run_encoded(self, feeds: Mapping[str, Sequence[bytes]]) -> Outputs:
        """See Connection."""
        return self._run(lambda connection: connection.run_encoded(feeds))

    def confirm(self) -> None:
        """See Connection. Servers that are away are asked when they are back."""
        for server in self._servers:
            taken = self._take_this(server)
            if taken is not None:
                try:
                    self._attempt(*taken, lambda connection: connection.confirm())
                except _LostError as lost:
                    if lost.failure is not None and self._retry_s <= 0:
                        raise lost.failure from None
                    self._lose(*taken, None)  # who is only busy is asked again before its answers count
        self._run(lambda connection: None)  # at least one is there, and none was found to have changed

    def close(self) -> None:
        """See Connection."""
        self._closed.set()
        with self._state:
            self._state.notify_all()
            connections = [server.connection for server in self._servers if server.connection is not None]
        for connection in connections:
            connection.close()

    def _run(self, act: Callable[[GrpcConnection], Answer]) -> Answer:
        """What `act` gives with some server."""
        end: float | None = None
        backoff = Backoff()  # for a server that is busy; one that is away has its own
        while True:
            server, losses = self._take(end)
            try:
                return self._attempt(server, losses, act)
            except _LostError as lost:
                now = time.monotonic()
                end = now + self._retry_s if end is None else end
                if lost.failure is not None and now >= end:
                    raise lost.failure from None
                if lost.failure is not None and is_busy(lost.failure):
                    self._closed.wait(min(backoff.next_s(), end - now))

    def _attempt(self, server: FleetServer, losses: int, act: Callable[[GrpcConnection], Answer]) -> Answer:
        """What `act` gives with a server that was taken; raises _LostError where that does not count."""
        assert server.connection is not None
        try:
            answer = act(server.connection)
        except UnavailableError as error:
            if isinstance(error, UnansweredError):
                raise
            self._require_usable()  # one that was closed says so, whatever its last calls met
            if not is_busy(error):
                self._lose(server, losses, error)
            raise _LostError(error) from None
        finally:
            with self._state:
                server.end()
        if server.losses != losses:  # it went away meanwhile: nobody knows yet who answered
            raise _LostError(None)
        if server.is_reported:
            server.backoff = Backoff()
            self._tell(server, None)
        return answer

    def _take(self, end: float | None) -> tuple[FleetServer, int]:
        """The server with the least work, one more call counted, and its losses; waits for one until `end`."""
        with self._state:
            while True:
                self._require_usable()
                up = [server for server in self._servers if server.is_up]
                if up:
                    server = min(up, key=lambda one: (one.running, one.last_used))
                    if not server.may_have_changed():
                        return server, server.begin()
                    self._leave_out(server, None)
                now = time.monotonic()
                end = now + self._retry_s if end is None else end
                failures = [server.failure for server in self._servers]
                if now >= end and None not in failures:
                    raise next(failure for failure in failures if failure is not None)
                # some at a time, since no wait may be endless; past the end too, where one is only asked again
                self._state.wait(min(end - now, _PROBE_TIMEOUT_S) if now < end else _PROBE_TIMEOUT_S)

    def _take_this(self, server: FleetServer) -> tuple[FleetServer, int] | None:
        with self._state:
            self._require_usable()
            if not server.is_up:
                return None
            return server, server.begin()

    def _require_usable(self) -> None:
        if self._closed.is_set():
            raise UnansweredError("the connection is closed", where=", ".join(one.url for one in self._servers))
        if self._fatal is not None:
            raise self._fatal

    def _lose(self, server: FleetServer, losses: int, failure: UnavailableError | None) -> None:
        """Leave a server out that was up when a call to it began, unless another call did so already."""
        with self._state:
            if server.losses == losses and server.is_up:
                self._leave_out(server, failure)

    def _leave_out(self, server: FleetServer, failure: UnavailableError | None) -> None:
        """Until it has been asked again: at once where it did not fail."""
        server.is_up, server.failure = False, failure
        server.losses += 1
        self._start_reviving(server, wait=failure is not None)

    def _start_reviving(self, server: FleetServer, *, wait: bool = True) -> None:
        threading.Thread(target=self._revive, args=(server, wait), name="lookalike-revive", daemon=True).start()

    def _revive(self, server: FleetServer, wait: bool) -> None:
        """Ask a server that was left out until it answers, with the artifact that it had."""
        timeout_s = min(self._timeout_s, _PROBE_TIMEOUT_S)
        while not self._closed.is_set():
            if server.failure is not None and not is_busy(server.failure):
                self._tell(server, server.failure)
            if self._closed.wait(server.backoff.next_s() if wait else 0):
                return
            wait = True
            try:
                if server.connection is None:
                    self._adopt(server, self._connect(server.url, connect_timeout_s=timeout_s))
                assert server.connection is not None
                server.connection.confirm(timeout_s=timeout_s)
            except UnavailableError as error:
                with self._state:
                    server.failure = error
                    self._state.notify_all()
                continue
            except LookalikeError as error:
                self._stop(error)
                return
            except Exception as error:  # no call may wait for a thread that is no more
                self._stop(ServerError("asking a server again failed", got=repr(error), where=server.url))
                return
            with self._state:
                server.is_up = server.is_confirmed = True
                self._state.notify_all()
            return

    def _stop(self, failure: LookalikeError) -> None:
        """End every call, those that come too."""
        with self._state:
            self._fatal = failure
            self._state.notify_all()

    def _tell(self, server: FleetServer, failure: UnavailableError | None) -> None:
        """Report that a server went away, or that it is back: each once, whoever notices."""
        with self._state:
            is_news = server.is_reported == (failure is None)
            server.is_reported = failure is not None
        if not is_news:
            return
        line = f"server {server.url} is back, with the same artifact"
        if failure is not None:
            line = f"server {server.url} went away ({failure.got or failure.what}); asked again until it is back"
        with suppress(Exception):  # the caller's own, which must end neither this thread nor the job
            self._report(line)

    def _adopt(self, server: FleetServer, connection: GrpcConnection) -> None:
        """Take a connection to a server that was away when the others were connected to."""
        with self._state:
            server.connection = connection
            if self._closed.is_set():
                connection.close()
        there = next(one.connection for one in self._servers if one.connection not in (None, connection))
        assert there is not None
        require_same(there, connection)
