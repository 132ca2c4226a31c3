"""Messages that cannot be parsed, refused in Triton's words and by our own methods.

grpcio refuses them by itself, and then keeps some 19 KB of each for as long as the server runs (1.85: the call is ended
a second time when its client closes it, and never leaves the list of those that run). So a parser here never fails: it
gives a mark, which the method behind it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import grpc

CANNOT_PARSE = "Unable to parse request"
_UNREADABLE: Final = object()


class Readable:
    """A grpc.Server, for those who add their methods to it: all of them refuse what they cannot parse."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """The same methods once more, for a grpcio of before; ours is never as old."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """As that of grpc.Server."""
        self._server.add_registered_method_handlers(service, {name: _safe(one) for name, one in handlers.items()})


def _safe(handler: Any) -> Any:
    """A method whose parser never fails."""
    parse = handler.request_deserializer

    def parsed(data: bytes) -> Any:
        try:
            return parse(data)
        except Exception:
            return _UNREADABLE

    kinds = {
        name: (_for_streams if handler.request_streaming else _for_one)(getattr(handler, name))
        for name in ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
        if getattr(handler, name) is not None
    }
    return handler._replace(request_deserializer=parsed, **kinds)


def _for_one(method: Callable[..., Any]) -> Callable[..., Any]:
    def answering(request: Any, context: grpc.ServicerContext) -> Any:
        if request is _UNREADABLE:
            context.abort(grpc.StatusCode.INTERNAL, CANNOT_PARSE)
        return method(request, context)

    return answering


def _for_streams(method: Callable[..., Any]) -> Callable[..., Any]:
    def answering(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        return method(_readable(requests, context), context)

    return answering


def _readable(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
    """Requests up to one that cannot be parsed, which ends the call."""
    for request in requests:
        if request is _UNREADABLE:
            context.abort(grpc.StatusCode.INTERNAL, CANNOT_PARSE)
        yield request
