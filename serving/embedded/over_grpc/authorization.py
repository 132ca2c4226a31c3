"""Calls over gRPC that need a token: which method needs which right, and how a refusal is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from serving.embedded.access.decisions import Verdict, verdict
from serving.embedded.access.tokens import Right, Tokens

_SERVICE = "/inference.GRPCInferenceService/"
_OPEN = {
    f"{_SERVICE}ServerLive",
    f"{_SERVICE}ServerReady",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
}
_SCORE = {
    f"{_SERVICE}{name}" for name in ("ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer", "ModelStreamInfer")
} | {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}


def right_of(method: str) -> Right | None:
    """The right that a method needs; None for one that everybody may call. What is not known needs the most."""
    if method in _OPEN:
        return None
    return Right.SCORE if method in _SCORE else Right.CONTROL


class Authorization(grpc.ServerInterceptor):  # type: ignore[misc]  # grpcio has no types
    """Refuses calls whose token does not give the right to them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """The handler of a call, or one that refuses it."""
        header = next((value for name, value in details.invocation_metadata or () if name == "authorization"), None)
        refused = verdict(self._tokens, right_of(details.method), header if isinstance(header, str) else None)
        handler = continuation(details)
        return handler if refused is None or handler is None else _refusing(handler, refused)


def _refusing(handler: Any, refused: Verdict) -> Any:
    """A handler of the same kind that refuses."""

    def refuse(request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode[refused.status], refused.value)

    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = kinds[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(refuse, handler.request_deserializer, handler.response_serializer)
