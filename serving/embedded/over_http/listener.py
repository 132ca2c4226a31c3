"""The REST front of a store: its application behind its guards, and its threads for what blocks."""

from __future__ import annotations

from serving.embedded.access.access import Access
from serving.embedded.models.store import ModelStore
from serving.embedded.operations.recorder import Recorder
from serving.embedded.options import ServerOptions
from serving.embedded.over_http.app import HttpApp, right_of
from serving.embedded.over_http.asgi_listener import AsgiListener
from serving.embedded.over_http.guarding import GuardedApp
from serving.embedded.workers import Workers

_SPARE_THREADS = 16
"""To tell of models and to refuse requests while every one in the server holds a thread."""


class HttpListener(AsgiListener):
    """The REST front of a store."""

    def __init__(
        self, store: ModelStore, options: ServerOptions, access: Access, recorder: Recorder, *, version: str
    ) -> None:
        most = store.requests.most + _SPARE_THREADS
        self._threads = Workers(most, "lookalike-http")
        self._app = HttpApp(
            store,
            self._threads,
            most=most,
            largest=options.message_bytes(store.largest_image_bytes),
            room=options.max_running_bytes,
            quiet_s=options.read_s,
            version=version,
            report=options.report,
            recorder=recorder,
        )
        guarded = GuardedApp(
            self._app,
            right_of=right_of,
            tokens=access.tokens,
            local_only=access.local_only,
            allowed_hosts=options.allowed_hosts,
            allow_origins=options.allow_origins,
        )
        super().__init__(guarded, options, access, port=options.http_port or 0, most=options.max_connections)

    def leave(self) -> None:
        """Ask clients to leave: every answer from now on is the last of its connection."""
        self._app.is_leaving = True

    def cut(self, wait_s: float = 0.0) -> None:
        super().cut(wait_s)
        self._threads.shutdown(wait=True)
