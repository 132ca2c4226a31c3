"""Connections of the REST front: uvicorn's, with bounds that uvicorn has not.

Without them a client could hold a connection and memory for ever: by a byte a minute, headers or chunks without end,
requests sent far ahead of their answers, or an answer that it never takes. What follows a body (trailers) is no header:
it came after the headers were checked. What the library would write to its log is dropped: it is about clients, and
comes as often as they like.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.embedded.options import ServerOptions
from serving.embedded.over_http.responses import JSON, json_bytes

_BETWEEN = len(": \r\n")
_HEAD_S = 20.0
"""For a head, and for the rest of a body that nobody wants any more."""
_LINGER_S = 2.0
_UNTAKEN_S = 60.0
"""An answer of which nothing is taken for so long is given up."""
_MOST_CHUNKS = 65536
"""Triton's number."""
_FRAMING_BYTES = 4 * 1024 * 1024
"""Of a body's chunks: more than so many of them need, with the carriage returns."""
_MOST_AHEAD = 128
"""Requests that a client may send before it has the answer to the first."""

_silent = logging.Logger("lookalike.http")
_silent.addHandler(logging.NullHandler())


class Connection(HttpToolsProtocol):
    """One connection.

    Attributes:
        most: connections at a time; more are refused.
        head_bytes: of a request's line and headers.
        head_s, untaken_s: seconds; see above.
    The first two are set on a subclass by `connections_of`, and `head_s` where all of a request must come sooner.
    """

    most, head_bytes = 1000, 64 * 1024
    head_s, untaken_s = _HEAD_S, _UNTAKEN_S

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _silent
        self.access_log = False
        self._timer: asyncio.TimerHandle | None = None
        self._untaken_timer: asyncio.TimerHandle | None = None
        self._in_body = False
        self._head_bytes = 0
        self._frame_bytes = self._num_chunks = 0  # of the message that comes in: all but its body
        self._why: tuple[int, str] | None = None
        self._is_over = False  # nothing more is read

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(503, "too many connections")
            return
        self._wait_for(self.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._is_over or self.transport.is_closing():
            return
        self._frame_bytes += len(data)
        super().data_received(data)
        if self._is_over or self.transport.is_closing():
            return
        if self._frame_bytes > (_FRAMING_BYTES if self._in_body else self.head_bytes):
            self._refuse(*self._large_head)
        elif self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._wait_for(self.head_s)  # after empty lines, which are no request; or the rest of an unwanted body

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if len(self.pipeline) >= _MOST_AHEAD:
            self._stop_parsing(503, f"more than {_MOST_AHEAD} requests were sent ahead of their answers")
        super().on_message_begin()
        self._in_body, self._head_bytes, self._frame_bytes, self._num_chunks = False, 0, 0, 0
        self._wait_for(self.head_s)

    def on_url(self, url: bytes) -> None:
        """A part of the request's line."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        if not self._in_body:
            self._head_bytes += len(name) + len(value) + _BETWEEN
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head of a request is there."""
        if self._head_bytes > self.head_bytes:
            self._stop_parsing(*self._large_head)
        self._stop_timer()
        self._in_body = True
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._num_chunks += 1
        if self._num_chunks > _MOST_CHUNKS + 1:  # the last one is empty
            self._stop_parsing(
                400,
                f"Chunked request body exceeds maximum of {_MOST_CHUNKS} non-empty chunks. "
                "Send fewer or larger HTTP chunks.",
            )

    def on_body(self, body: bytes) -> None:
        """A part of a body came."""
        self._frame_bytes = max(0, self._frame_bytes - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is there."""
        self._in_body, self._frame_bytes = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is sent; what was sent ahead comes before anything more is read."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or was stopped, is answered as everything else is: one line in JSON."""
        self._refuse(*(self._why or (400, msg)))

    def pause_writing(self) -> None:
        """The client does not take its answer as fast as it comes."""
        super().pause_writing()
        self._untaken_timer = self.loop.call_later(self.untaken_s, self._drop_untaken, self._untaken_bytes())

    def resume_writing(self) -> None:
        """It does."""
        if self._untaken_timer is not None:
            self._untaken_timer.cancel()
            self._untaken_timer = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for so long: also an answer may be there that was never taken."""
        self._close()

    def _stop_parsing(self, status: int, text: str) -> NoReturn:
        """Called by the parser, which gives up what it has in hand; `send_400_response` follows."""
        self._why = (status, text)
        raise ValueError(text)

    def _untaken_bytes(self) -> int:
        return int(self.transport.get_write_buffer_size())

    def _drop_untaken(self, before: int) -> None:
        untaken = self._untaken_bytes()
        if untaken >= before:
            self.transport.abort()
        else:
            self._untaken_timer = self.loop.call_later(self.untaken_s, self._drop_untaken, untaken)

    def _close(self) -> None:
        if self._untaken_bytes() and self._untaken_timer is None:
            self.transport.abort()
        else:
            self.transport.close()

    @property
    def _large_head(self) -> tuple[int, str]:
        return 431, f"the headers are larger than {self.head_bytes} bytes"

    def _wait_for(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_timers(self) -> None:
        self._stop_timer()
        if self._untaken_timer is not None:
            self._untaken_timer.cancel()
            self._untaken_timer = None

    def _refuse(self, status: int, text: str) -> None:
        """End the connection: with this answer, unless others come first, which are sent instead."""
        self._is_over = True
        self._stop_timer()
        running = self.cycle is not None and not self.cycle.response_complete
        if running and not self.cycle.more_body:  # the last request that is whole; what came after it is refused
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if not self.pipeline and not (running and self.cycle.response_started):
            body = json_bytes({"error": text})
            lines = [
                f"HTTP/1.1 {status} {_PHRASES[status]}",
                f"content-type: {JSON}",
                f"content-length: {len(body)}",
                "connection: close",
            ]
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        if len(self.connections) > self.most or not self.transport.can_write_eof():
            self.transport.close()
        else:  # what still comes is forgotten for a while: closed over it, a connection takes the answer with it
            self.transport.write_eof()
            self._wait_for(_LINGER_S)


_PHRASES = {400: "Bad Request", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}


def connections_of(most: int, options: ServerOptions) -> type[Connection]:
    """The class of connections of one server, of which there are `most` at a time."""
    limits: dict[str, Any] = {"most": most, "head_bytes": options.max_header_bytes}
    if options.read_s < _HEAD_S:
        limits["head_s"] = options.read_s
    return type("Connection", (Connection,), limits)
