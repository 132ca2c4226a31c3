"""The gRPC server: its port, threads and limits.

Decisions a reader would question:
- A thread a request that is being answered (grpcio's synchronous server), few of which are awake at a time
  (workers.py): it costs half of what asyncio does for small messages, and the work itself, onnxruntime and decoding,
  releases the interpreter. What else was tried is in docs/decisions/0036.
- A port that is in use is an error: SO_REUSEPORT would let two servers share it and answer by turns.
"""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from serving.embedded.access.access import Access
from serving.embedded.models.store import ModelStore
from serving.embedded.operations.recorder import Recorder
from serving.embedded.options import ServerOptions, cannot_listen
from serving.embedded.over_grpc.authorization import Authorization
from serving.embedded.over_grpc.credentials import credentials
from serving.embedded.over_grpc.ending import end_connections
from serving.embedded.over_grpc.health import SERVICE, Health
from serving.embedded.over_grpc.service import GrpcService, add_to_server
from serving.embedded.over_grpc.unreadable import Readable
from serving.embedded.workers import CallPool, Workers

_SPARE_THREADS = 16  # to answer health and to refuse requests while every one in the server holds a thread
_WAITING_CALLS = 1024
"""Calls that may wait for one of the spare threads, to be refused in Triton's words; gRPC's own are RESOURCE_EXHAUSTED.
Their messages are not read before."""
_PING_MS = 500
"""How often clients may ping. gRPC's own five minutes end in "too many pings" for one that keeps a connection open
through a NAT, which takes a ping every 10 to 60 seconds; a flood of them still ends it."""


class GrpcListener:
    """The gRPC front of a store."""

    def __init__(
        self, store: ModelStore, options: ServerOptions, access: Access, recorder: Recorder, *, version: str
    ) -> None:
        self._options, self._tls = options, access.tls
        num_threads = store.requests.most + _SPARE_THREADS
        self._threads = Workers(num_threads, "lookalike-grpc")
        self._port = 0
        self._server: Any = grpc.server(
            CallPool(self._threads),
            options=[
                ("grpc.max_receive_message_length", options.message_bytes(store.largest_image_bytes)),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_ping_interval_without_data_ms", _PING_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.max_allowed_incoming_connections", options.max_connections),
                ("grpc.max_concurrent_streams", options.max_streams),
                ("grpc.max_connection_idle_ms", int(options.idle_s * 1000)),
                ("grpc.max_metadata_size", options.max_header_bytes),
                ("grpc.absolute_max_metadata_size", options.max_header_bytes),
            ],
            maximum_concurrent_rpcs=num_threads + _WAITING_CALLS,
            interceptors=[] if access.tokens is None else [Authorization(access.tokens)],
        )
        self._service = GrpcService(
            store, version=version, report=options.report, recorder=recorder, resting=self._threads.resting
        )
        methods = Readable(self._server)
        add_to_server(self._service, methods)
        Health(store).add_to(methods)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), methods)

    def listen(self) -> int:
        """Take the port; raises ServerError where it cannot be had."""
        address = self._options.address(self._options.grpc_port)
        try:
            if self._tls is None:
                self._port = int(self._server.add_insecure_port(address))
            else:
                self._port = int(self._server.add_secure_port(address, credentials(self._tls)))
        except RuntimeError:
            raise cannot_listen(address) from None
        return self._port

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()

    def leave(self) -> None:
        """Nothing to be done: the health tells clients to leave."""

    def end_streams(self) -> None:
        """Let streams end between two answers; does not wait."""
        self._service.calls.end_streams()

    @property
    def is_answered(self) -> bool:
        """Whether all that was asked is answered, to the last byte; streams may be open on which nothing is asked."""
        return self._service.calls.are_answered

    def cut(self, wait_s: float = 0.0) -> None:
        """End whatever is left of it; there is nothing that is worth waiting for."""
        if self._port:
            end_connections(self._port)
        ended = self._server.stop(0)
        if self._port:  # those that came in between
            end_connections(self._port)
        ended.wait()
        self._threads.shutdown(wait=True)
