"""The page's server: a port of this machine, and an end by Ctrl-C or SIGTERM.

Decisions a reader would question:
- The connections are those of the REST front (serving/embedded/over_http): bounded in number, in headers and in how
  slowly a client may send and take. There is one such listener in the house.
- The port is taken before the tables are read: one that is in use is told at once, not after minutes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from artifact.errors import ServerError
from pages.explorer.guard import App, Receive, Scope, Send
from serving.embedded.access.access import access_of
from serving.embedded.options import ServerOptions
from serving.embedded.over_http.asgi_listener import AsgiListener
from serving.embedded.signals import StopSignals, stop_signals

HOST = "127.0.0.1"
MOST_CONNECTIONS = 256
_GRACE_S, _IDLE_S, _READ_S = 2.0, 30.0, 20.0
_HEADER_BYTES = 32 * 1024


class PageServer:
    """A port that is taken already, and answers from `start` on.

    Attributes:
        port: its number.
    """

    def __init__(self, *, port: int, report: Callable[[str], None]) -> None:
        self._report, self._late = report, _Late()
        self._signals: StopSignals | None = None
        options = ServerOptions(
            host=HOST, max_header_bytes=_HEADER_BYTES, read_s=_READ_S, idle_s=_IDLE_S, report=self._tell
        )
        self._listener = AsgiListener(
            self._late, options, access_of(options), port=port, most=MOST_CONNECTIONS, name="explorer"
        )
        try:
            self.port = self._listener.listen()
        except ServerError:
            self._listener.cut()  # of what it began to take
            raise

    def start(self, app: App) -> None:
        """Answer with this application from now on."""
        self._late.app = app
        self._listener.start()

    def run(self, app: App, *, started: Callable[[], Any]) -> None:
        """Answer until SIGINT or SIGTERM comes, or it ends by itself; `started` is called when it answers."""
        with stop_signals() as signals:
            self._signals = signals
            self.start(app)
            started()
            signals.wait()

    def close(self) -> None:
        """End; raises ServerError where it ended by itself before."""
        self._listener.cut(_GRACE_S)

    def _tell(self, line: str) -> None:
        self._report(line)
        if self._signals is not None:
            self._signals.wake()


class _Late:
    """An application that is known later than its port."""

    app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@contextlib.contextmanager
def page_server(port: int, *, report: Callable[[str], None]) -> Iterator[PageServer]:
    """A port of this machine; 0 takes a free one.

    Args:
        report: gets a line for what is wrong with the server itself.

    Raises:
        ServerError: the port cannot be had.
    """
    server = PageServer(port=port, report=report)
    try:
        yield server
    finally:
        server.close()
