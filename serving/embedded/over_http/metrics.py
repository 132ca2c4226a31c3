"""The metrics over HTTP: GET /metrics, on a port of their own, behind the guards of every HTTP front."""

from __future__ import annotations

import asyncio
from typing import Any

from serving.embedded.access.access import Access
from serving.embedded.access.tokens import Right
from serving.embedded.operations.metrics import CONTENT_TYPE, Metrics
from serving.embedded.options import ServerOptions
from serving.embedded.over_http.asgi_listener import AsgiListener
from serving.embedded.over_http.guarding import GuardedApp
from serving.embedded.over_http.responses import Response, refused, send_response

_MOST_CONNECTIONS = 64


class MetricsListener(AsgiListener):
    """The port of the metrics."""

    def __init__(self, metrics: Metrics, options: ServerOptions, access: Access) -> None:
        guarded = GuardedApp(
            MetricsApp(metrics),
            right_of=lambda path: Right.METRICS,
            tokens=access.tokens,
            local_only=access.local_only,
            allowed_hosts=options.allowed_hosts,
            allow_origins=(),
        )
        port = options.metrics_port or 0
        super().__init__(guarded, options, access, port=port, most=_MOST_CONNECTIONS, name="metrics")


class MetricsApp:
    """The ASGI application."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI; only for requests."""
        if scope["type"] != "http":
            return
        if scope["raw_path"] != b"/metrics":
            response = refused(404, "Not Found")
        elif scope["method"] not in ("GET", "HEAD"):
            response = refused(405, "Method Not Allowed")
        else:
            text = await asyncio.to_thread(self._metrics.text)
            response = Response(200, (text,), (("content-type", CONTENT_TYPE),))
        await send_response(send, response)
