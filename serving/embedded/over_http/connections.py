"""Connections of the REST front: uvicorn's, with bounds that uvicorn has not.

A head (request line and headers) must be there within a time and a size, and there are so many connections at most:
without these a client that sends a byte a minute, or headers without end, would hold a connection and memory for ever.
What the library would write to its log is dropped: it is about clients, and comes as often as they like.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.embedded.over_http.responses import JSON, json_bytes

_HEAD_BYTES = 64 * 1024
_HEAD_S = 20.0

_silent = logging.Logger("lookalike.http")
_silent.addHandler(logging.NullHandler())


class Connection(HttpToolsProtocol):
    """One connection.

    Attributes:
        most: connections at a time; more are closed at once. Set on a subclass by `connections_of`.
    """

    most = 1000

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _silent
        self.access_log = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes: int | None = 0

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(503, "too many connections")
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self.transport.is_closing():
            return
        if self._head_bytes is not None:
            self._head_bytes += min(len(data), _HEAD_BYTES)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes >= 2 * _HEAD_BYTES:
            self._refuse(431, f"the headers are larger than {_HEAD_BYTES} bytes")
        elif self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()  # after empty lines, which are no request

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """The head of a request is there."""
        self._stop_timer()
        self._head_bytes = None
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered as everything else is: one line in JSON."""
        self._refuse(400, msg)

    def _expect_head(self) -> None:
        self._stop_timer()
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(_HEAD_S, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int, text: str) -> None:
        body = json_bytes({"error": text})
        lines = [
            f"HTTP/1.1 {status} {_PHRASES[status]}",
            f"content-type: {JSON}",
            f"content-length: {len(body)}",
            "connection: close",
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()


_PHRASES = {400: "Bad Request", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}


def connections_of(most: int) -> type[Connection]:
    """The class of connections of one server."""
    return type("Connection", (Connection,), {"most": most})
