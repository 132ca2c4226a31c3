"""An HTTP server for an ASGI application: its port, its loop in a thread of its own, its connections."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import uvicorn

from artifact.errors import ServerError
from serving.embedded.access.access import Access
from serving.embedded.options import ServerOptions, cannot_listen
from serving.embedded.over_http.connections import connections_of

_BACKLOG = 2048


class AsgiListener:
    """One port behind which an application answers.

    Args:
        app: the application.
        port: 0 takes a free one.
        most: connections at a time.
        name: of its thread, and of what is said of it.
    """

    def __init__(
        self, app: Any, options: ServerOptions, access: Access, *, port: int, most: int, name: str = "http"
    ) -> None:
        self._options, self._tls, self._port, self._name = options, access.tls, port, name
        self._config = uvicorn.Config(
            app,
            loop="none",
            http=connections_of(most, options),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=max(1, int(options.idle_s)),
            backlog=_BACKLOG,
        )
        if self._tls is not None:
            self._config.load()
            self._config.ssl = self._tls.context()
        self._server = uvicorn.Server(self._config)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._failed: BaseException | None = None

    def listen(self) -> int:
        """Take the port; raises ServerError where it cannot be had."""
        address = self._options.address(self._port)
        host = self._options.host.strip("[]")
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(host, self._port, type=socket.SOCK_STREAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(where)
            self._socket.listen(_BACKLOG)
        except OSError:
            raise cannot_listen(address) from None
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread = threading.Thread(target=self._run, name=f"lookalike-{self._name}-loop", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """The server is about to stop; nothing to be done, unless a front has a way to tell its clients."""

    def end_streams(self) -> None:
        """Let calls of many answers end between two; there are none here."""

    @property
    def is_answered(self) -> bool:
        """Whether all that was asked is answered, or `cut` waits for it."""
        return True

    def cut(self, wait_s: float = 0.0) -> None:
        """Take no more connections, end each when what it asks is answered, and all of them after `wait_s` seconds.

        Raises:
            ServerError: it failed before.
        """
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(wait_s)
            self._server.force_exit = True
            self._thread.join()
        elif self._socket is not None:
            self._socket.close()
        if self._failed is not None:
            raise ServerError(f"the {self._name} front ended", got=repr(self._failed))

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failed = error
            self._options.report(f"internal error: the {self._name} front ended: {error!r}")

    async def _serve(self) -> None:
        await self._server.serve(sockets=[self._socket] if self._socket else None)


def _new_loop() -> Any:
    """uvloop's where it is installed, which takes half of the processor time of asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
