"""A gRPC service that refuses some requests because it is busy, and notes all that come."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import grpc

from serving.embedded.over_grpc.service import GrpcService
from serving.protocol import CALLS_FULL, QUEUE_FULL

Refusal = tuple[grpc.StatusCode, str]

FULL: Refusal = (grpc.StatusCode.UNAVAILABLE, QUEUE_FULL)
"""As Triton and the embedded server say that a queue is full."""
TOO_MANY: Refusal = (grpc.StatusCode.RESOURCE_EXHAUSTED, f"{CALLS_FULL}!")
"""As grpcio says that too many calls run at a time."""


@dataclass
class Load:
    """Refusals of a server, and with how much of its deadline left each request came."""

    refusals: int
    refusal: Refusal = FULL
    metadata_refusals: int = 0
    left_s: list[float] = field(default_factory=list)

    def service(self) -> type[GrpcService]:
        """A service that refuses the first requests."""
        load, lock = self, threading.Lock()

        class Busy(GrpcService):
            def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802  # gRPC's name
                with lock:
                    load.left_s.append(context.time_remaining())
                    is_refused = len(load.left_s) <= load.refusals
                if is_refused:
                    context.abort(*load.refusal)
                return super().ModelInfer(request, context)

            def ModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802  # gRPC's name
                with lock:
                    is_refused = load.metadata_refusals > 0
                    load.metadata_refusals -= is_refused
                if is_refused:
                    context.abort(*TOO_MANY)
                return super().ModelMetadata(request, context)

        return Busy
