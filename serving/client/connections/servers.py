"""The servers of a fleet: which of them gets the next call, and the asking again of those that went away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from artifact.errors import BusyError, LookalikeError, ServerError, UnansweredError, UnavailableError
from serving.client.connections.connecting import Connect, connect_first, require_same
from serving.client.connections.fleet_server import FleetServer
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.connections.patience import Patience

_PROBE_TIMEOUT_S = 5.0


class Servers:
    """The servers of one artifact; may be used from several threads at a time.

    Args:
        urls: HOST:PORT of each.
        connect: connects to one of them.
        timeout_s: deadline of a call, in seconds.
        retry_s: how long one that is busy may let us wait for the first answer, in seconds.
        report: gets a line when a server goes away and when it is back; what it raises is dropped.

    Raises:
        LookalikeError: as `connect_first`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        connect: Connect,
        *,
        timeout_s: float,
        retry_s: float,
        report: Callable[[str], None] | None,
    ) -> None:
        self._connect, self._report = connect, report or (lambda line: None)
        self._probe_s = min(timeout_s, _PROBE_TIMEOUT_S)
        self._all = [FleetServer(url) for url in urls]
        self._state = threading.Condition()
        self._closed = threading.Event()
        self._fatal: LookalikeError | None = None
        try:
            self.first = connect_first(self._all, connect, timeout_s=timeout_s, retry_s=retry_s)
        except BaseException:
            self.close()
            raise
        for server in self._all:
            if not server.is_up:
                self._start_reviving(server)

    def __iter__(self) -> Iterator[FleetServer]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def connections(self) -> list[GrpcConnection]:
        """To those that have answered at least once."""
        return [server.connection for server in self._all if server.connection is not None]

    def states(self) -> dict[str, str]:
        """{HOST:PORT: "answers", or why it does not}."""
        with self._state:
            return {
                server.url: "answers" if server.is_up else str(server.failure or "asked again") for server in self._all
            }

    def take(self, patience: Patience) -> tuple[FleetServer, int]:
        """The server for the next try of a call, counted as under way there, and the server's losses.

        Of those that are up and have not refused this call as busy, the one with the least work, those last that refuse
        others at this moment. Where there is none, waits for one as long as the call may.

        Raises:
            UnavailableError: it may wait no longer: why a server is away, or the words of the last that was busy.
        """
        with self._state:
            while True:
                self.require_usable()
                now = time.monotonic()
                up = [server for server in self._all if server.is_up]
                free = [server for server in up if patience.again_at(server) <= now]
                if free:
                    server = min(free, key=lambda one: (one.busy_until > now, one.running, one.last_used))
                    if not server.may_have_changed():
                        return server, server.begin()
                    self._leave_out(server, None)
                    continue
                left_s = patience.left_s(now)
                is_asked = any(server.failure is None for server in self._all if not server.is_up)
                if left_s <= 0 and not is_asked:
                    if up and patience.refusal is not None:
                        raise patience.refusal
                    raise next(server.failure for server in self._all if server.failure is not None)
                # some at a time, since no wait may be endless; past the end too, where one is only asked again
                waits_s = [patience.again_at(server) - now for server in up]
                self._state.wait(min(_PROBE_TIMEOUT_S, left_s if left_s > 0 else _PROBE_TIMEOUT_S, *waits_s))

    def take_this(self, server: FleetServer) -> int | None:
        """The losses of a server, one more call counted; None where it is away."""
        with self._state:
            self.require_usable()
            return server.begin() if server.is_up else None

    def require_usable(self) -> None:
        """Raise where calls are over: closed, or another artifact was met."""
        if self._closed.is_set():
            raise UnansweredError("the connection is closed", where=", ".join(one.url for one in self._all))
        if self._fatal is not None:
            raise self._fatal

    def end(self, server: FleetServer) -> None:
        """A call to a server has ended."""
        with self._state:
            server.end()

    def refused(self, server: FleetServer) -> None:
        """A server was too busy for a call."""
        with self._state:
            server.refused(time.monotonic())

    def answered(self, server: FleetServer) -> None:
        """A call was answered."""
        with self._state:
            server.answered()
        if server.is_reported:
            self._tell(server, None)

    def lose(self, server: FleetServer, losses: int, failure: UnavailableError | None) -> None:
        """Leave a server out that was up when a call to it began, unless another call did so already."""
        with self._state:
            if server.losses == losses and server.is_up:
                self._leave_out(server, failure)

    def close(self) -> None:
        """End every call and every asking again."""
        self._closed.set()
        with self._state:
            self._state.notify_all()
            connections = self.connections
        for connection in connections:
            connection.close()

    def _leave_out(self, server: FleetServer, failure: UnavailableError | None) -> None:
        """Until it has been asked again: at once where it did not fail."""
        server.is_up, server.failure = False, failure
        server.losses += 1
        self._start_reviving(server, wait=failure is not None)

    def _start_reviving(self, server: FleetServer, *, wait: bool = True) -> None:
        threading.Thread(target=self._revive, args=(server, wait), name="lookalike-revive", daemon=True).start()

    def _revive(self, server: FleetServer, wait: bool) -> None:
        """Ask a server that was left out until it answers, with the artifact that it had."""
        while not self._closed.is_set():
            if server.failure is not None and not isinstance(server.failure, BusyError):
                self._tell(server, server.failure)
            if self._closed.wait(server.backoff.next_s() if wait else 0):
                return
            wait = True
            try:
                if server.connection is None:
                    self._adopt(server, self._connect(server.url, self._probe_s))
                assert server.connection is not None
                server.connection.confirm(timeout_s=self._probe_s)
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

    def _adopt(self, server: FleetServer, connection: GrpcConnection) -> None:
        """Take a connection to a server that was away when the others were connected to."""
        with self._state:
            server.connection = connection
            if self._closed.is_set():
                connection.close()
        require_same(self.first, connection)

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
