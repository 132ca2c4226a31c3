"""The gRPC server: its port, threads and limits.

Decisions a reader would question:
- A thread a request that is being answered (grpcio's synchronous server): it costs half of what asyncio does for small
  messages, and the work itself, onnxruntime and decoding, releases the interpreter.
- A port that is in use is an error: SO_REUSEPORT would let two servers share it and answer by turns.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection
from tritonclient.grpc.service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server

from serving.embedded.access.access import Access
from serving.embedded.models.store import ModelStore
from serving.embedded.options import ServerOptions, cannot_listen
from serving.embedded.over_grpc.authorization import Authorization
from serving.embedded.over_grpc.credentials import credentials
from serving.embedded.over_grpc.health import SERVICE, Health
from serving.embedded.over_grpc.service import GrpcService

_SPARE_THREADS = 16  # to answer health and to refuse requests while every one in the server holds a thread
_PING_MS = 500
"""How often clients may ping. gRPC's own five minutes end in "too many pings" for one that keeps a connection open
through a NAT, which takes a ping every 10 to 60 seconds; a flood of them still ends it."""


class GrpcListener:
    """The gRPC front of a store."""

    def __init__(self, store: ModelStore, options: ServerOptions, access: Access, *, version: str) -> None:
        self._options, self._tls = options, access.tls
        num_threads = store.max_running + _SPARE_THREADS
        self._threads = ThreadPoolExecutor(num_threads, "lookalike-grpc")
        self._server: Any = grpc.server(
            self._threads,
            options=[
                ("grpc.max_receive_message_length", options.message_bytes(store.largest_image_bytes)),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_ping_interval_without_data_ms", _PING_MS),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
            maximum_concurrent_rpcs=num_threads,
            interceptors=[] if access.tokens is None else [Authorization(access.tokens)],
        )
        service = GrpcService(store, version=version, report=options.report)
        add_GRPCInferenceServiceServicer_to_server(service, self._server)
        Health(store).add_to(self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    def listen(self) -> int:
        """Take the port; raises ServerError where it cannot be had."""
        address = self._options.address(self._options.grpc_port)
        try:
            if self._tls is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, credentials(self._tls)))
        except RuntimeError:
            raise cannot_listen(address) from None

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Close connections when those in flight are answered, at the latest after `grace_s` seconds."""
        self._server.stop(grace_s).wait()
        self._threads.shutdown(wait=True)
