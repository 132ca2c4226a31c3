"""The health service grpc.health.v1, by which orchestrators ask any gRPC server whether it serves: the method Check.

Its messages are one field each, so they are read and written here by hand, with no other package's generated code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

SERVICE = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"  # HealthCheckResponse: field 1, enum


def health_handler(is_ready: Callable[[], bool]) -> Any:
    """A handler for grpc.Server.add_generic_rpc_handlers.

    Args:
        is_ready: whether the server takes requests.
    """

    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request:  # HealthCheckRequest with the name of a service: only the server as a whole is known here
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return _SERVING if is_ready() else _NOT_SERVING

    return grpc.method_handlers_generic_handler(SERVICE, {"Check": grpc.unary_unary_rpc_method_handler(check)})
