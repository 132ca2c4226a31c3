"""The HTTP server: its port, its loop in a thread of its own, and its threads for what blocks."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn

from artifact.errors import ServerError
from serving.embedded.access.access import Access
from serving.embedded.models.store import ModelStore
from serving.embedded.options import ServerOptions, cannot_listen
from serving.embedded.over_http.app import HttpApp, right_of
from serving.embedded.over_http.connections import connections_of
from serving.embedded.over_http.guarding import GuardedApp

_SPARE_THREADS = 16
"""To tell of models and to refuse requests while every one in the server holds a thread."""
_SPARE_CONNECTIONS = 1000
"""Of clients that keep theirs open and ask nothing."""
_KEEP_ALIVE_S = 75
_QUIET_S = 60.0
_BACKLOG = 2048
_REFRESH_S = 2.0
"""Between looks at the files of TLS."""


class HttpListener:
    """The REST front of a store."""

    def __init__(self, store: ModelStore, options: ServerOptions, access: Access, *, version: str) -> None:
        self._options, self._tls = options, access.tls
        self._port = options.http_port or 0
        most = store.max_running + _SPARE_THREADS
        self._threads = ThreadPoolExecutor(most, "lookalike-http")
        app = HttpApp(
            store,
            self._threads,
            most=most,
            largest=options.message_bytes(store.largest_image_bytes),
            room=options.max_running_bytes,
            quiet_s=_QUIET_S,
            version=version,
            report=options.report,
        )
        guarded = GuardedApp(
            app,
            right_of=right_of,
            tokens=access.tokens,
            local_only=access.local_only,
            allowed_hosts=options.allowed_hosts,
            allow_origins=options.allow_origins,
        )
        self._config = uvicorn.Config(
            guarded,
            loop="none",
            http=connections_of(most + _SPARE_CONNECTIONS),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
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
        self._thread = threading.Thread(target=self._run, name="lookalike-http-loop", daemon=True)
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Close connections when those in flight are answered, at the latest after `grace_s` seconds."""
        if self._thread is not None:
            self._config.timeout_graceful_shutdown = grace_s  # type: ignore[assignment]  # passed on as seconds
            self._server.should_exit = True
            self._thread.join()
        elif self._socket is not None:
            self._socket.close()
        self._threads.shutdown(wait=True)
        if self._failed is not None:
            raise ServerError("the HTTP front ended", got=repr(self._failed))

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failed = error
            self._options.report(f"internal error: the HTTP front ended: {error!r}")

    async def _serve(self) -> None:
        refreshing = asyncio.ensure_future(self._refresh()) if self._tls is not None else None
        await self._server.serve(sockets=[self._socket] if self._socket else None)
        if refreshing is not None:
            refreshing.cancel()

    async def _refresh(self) -> None:
        """Follow a certificate that is replaced."""
        while self._tls is not None and isinstance(self._config.ssl, ssl.SSLContext):
            await asyncio.sleep(_REFRESH_S)
            self._tls.refresh(self._config.ssl)


def _new_loop() -> Any:
    """uvloop's where it is installed, which takes half of the processor time of asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
