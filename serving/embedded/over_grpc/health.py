"""The health service grpc.health.v1, by which orchestrators ask any gRPC server whether it serves: Check and Watch.

Asked without a name it tells of the server, asked with one of the service or of a model. A name that was served once is
NOT_SERVING when it is unloaded; one that never was is unknown.
"""

from __future__ import annotations

from typing import Any

from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from serving.embedded.models.store import ModelStore

SERVICE = "inference.GRPCInferenceService"

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """The health of a store, told by grpcio's own servicer.

    Args:
        store: the models; every change of what it serves is told on.
    """

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._servicer = health.HealthServicer()
        self._names: set[str] = set()
        self._tell()
        store.watch(self._tell)

    def add_to(self, server: Any) -> None:
        """Answer for a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def _tell(self) -> None:
        ready = self._store.is_ready
        for name in ("", SERVICE):
            self._servicer.set(name, _SERVING if ready else _NOT_SERVING)
        served = set(self._store.names()) if ready else set()
        self._names |= served
        for name in self._names:
            self._servicer.set(name, _SERVING if name in served else _NOT_SERVING)
