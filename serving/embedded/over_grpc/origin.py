"""The origin of a request that came over gRPC: its metadata, its client, and the metadata that its answer gets."""

from __future__ import annotations

from collections.abc import Mapping

import grpc


class GrpcOrigin:
    """One call; `transport` is `grpc`, or `stream` for a request of many in one call."""

    __slots__ = ("_context", "transport")

    def __init__(self, context: grpc.ServicerContext, transport: str) -> None:
        self._context, self.transport = context, transport

    def peer(self) -> str:
        return str(self._context.peer())

    def headers(self) -> Mapping[str, str]:
        found = self._context.invocation_metadata() or ()
        return {name: value for name, value in found if isinstance(value, str)}

    def tell(self, name: str, value: str) -> None:
        """Send it as trailing metadata; a stream has begun to answer long before its end."""
        if self.transport == "grpc" and value.isascii() and value.isprintable():
            self._context.set_trailing_metadata(((name, value),))
