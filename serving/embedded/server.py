"""The embedded server: a repository behind gRPC on one machine, with the answers of Triton.

Decisions a reader would question:
- A thread a request that is being answered (grpcio's synchronous server): it costs half of what asyncio does for small
  messages, and the work itself, onnxruntime and decoding, releases the interpreter.
- A port that is in use is an error: SO_REUSEPORT would let two servers share it and answer by turns.
- Stopping refuses new requests in Triton's words first, and closes connections when those in flight are answered.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import grpc
from tritonclient.grpc.service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server

from artifact.errors import ServerError
from serving.arguments import takes
from serving.embedded.models.store import ModelStore
from serving.embedded.options import ServerOptions
from serving.embedded.over_grpc.health import health_handler
from serving.embedded.over_grpc.service import GrpcService
from serving.engine import require_device
from serving.forks import keep_in_children, note_server

_SPARE_THREADS = 16  # to answer health and to refuse requests while every one in the server holds a thread
_PING_MS = 500
"""How often clients may ping. gRPC's own five minutes end in "too many pings" for one that keeps a connection open
through a NAT, which takes a ping every 10 to 60 seconds; a flood of them still ends it."""


class Server:
    """A server over a model repository; a context manager that starts it and stops it.

    Args:
        repository: folder of the model repository.
        host, grpc_port, ...: the attributes of ServerOptions (serving/embedded/options.py), which says what they are.

    Attributes:
        options: all of them.

    Raises:
        UsageError: an option that makes no sense.
        RepositoryError: no such repository.
    """

    @takes(ServerOptions)
    def __init__(self, repository: Path | str, **options: Any) -> None:
        self.options = ServerOptions(**options)
        require_device(self.options.device)
        self._store = ModelStore(repository, self.options)
        num_threads = self._store.max_running + _SPARE_THREADS
        self._threads = ThreadPoolExecutor(num_threads, "lookalike-grpc")
        self._server = grpc.server(
            self._threads,
            options=[
                ("grpc.max_receive_message_length", self.options.message_bytes(self._store.largest_image_bytes)),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_ping_interval_without_data_ms", _PING_MS),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
            maximum_concurrent_rpcs=num_threads,
        )
        version = importlib.metadata.version("lookalike")
        service = GrpcService(self._store, version=version, report=self.options.report)
        add_GRPCInferenceServiceServicer_to_server(service, self._server)
        self._server.add_generic_rpc_handlers((health_handler(lambda: self._store.is_ready),))
        self._port: int | None = None
        self._stopping = threading.Lock()
        self._stopped = self._started = False
        self._process = os.getpid()
        keep_in_children(self)

    @property
    def port(self) -> int:
        """The gRPC port; raises ServerError before `start`."""
        if self._port is None:
            raise ServerError("the server has not been started", mend="call start() first")
        return self._port

    @property
    def url(self) -> str:
        """HOST:PORT of the gRPC port, as clients take it."""
        return f"{_bracketed(self.options.host)}:{self.port}"

    @property
    def model_names(self) -> list[str]:
        """The names that answer, sorted."""
        return self._store.names()

    def start(self) -> Self:
        """Take the port, load every model, then answer. Models that fail to load are reported, and stop nothing.

        Raises:
            ServerError: the port cannot be had.
        """
        self._require_own_process()
        note_server(1)
        self._started = True
        address = f"{_bracketed(self.options.host)}:{self.options.grpc_port}"
        try:
            self._port = self._server.add_insecure_port(address)
        except RuntimeError:
            self.stop(0)
            raise ServerError(
                "the server cannot listen",
                expected="a free port on an address of this machine",
                got="a port in use, or no such address",
                where=address,
                mend="stop what listens there, or choose another port (0 takes a free one)",
            ) from None
        try:
            self._store.load_all()
            self._server.start()
        except BaseException:
            self.stop(0)
            raise
        return self

    def stop(self, grace_s: float | None = None) -> None:
        """Refuse new requests, let those in flight finish for at most `grace_s` seconds, then close. Twice is once.

        In a process that was forked from the server's own it does nothing: the server runs on there.

        Args:
            grace_s: None for that of the options.
        """
        if self._process != os.getpid():
            return
        grace_s = self.options.grace_s if grace_s is None else grace_s
        with self._stopping:
            if self._stopped:
                return
            deadline = time.monotonic() + grace_s
            if not self._store.stop_accepting(grace_s):
                self.options.report(f"requests were still running after {grace_s:g} s; they are cancelled")
            self._server.stop(max(0.0, deadline - time.monotonic())).wait()
            self._store.close()
            self._threads.shutdown(wait=True)
            self._stopped = True
            if self._started:
                note_server(-1)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the server has stopped; False if it still runs after `timeout_s`."""
        self._require_own_process()
        return not self._server.wait_for_termination(timeout_s)

    def _require_own_process(self) -> None:
        if self._process != os.getpid():
            raise ServerError(
                "the server was made before this process was forked",
                expected="the process that made it",
                got="a copy of it, without its threads",
                mend="make a Server here",
            )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(server: Server) -> None:
    """Run a server until SIGTERM or SIGINT, then stop it as `Server.stop` does.

    To be called from the main thread, which is the one that gets signals.

    Raises:
        ServerError: as its `start`.
    """
    report = server.options.report
    with _signals() as wait_for_signal:
        server.start()
        report(f"serving {', '.join(server.model_names) or 'no model'} on {server.url} (gRPC)")
        wait_for_signal()
        report(f"stopping: requests in flight may take {server.options.grace_s:g} s more")
        server.stop()


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], None]]:
    """A function that waits for SIGTERM or SIGINT, sent from now on; what was done with them before is restored.

    The system's handler writes them into a socket. One of Python's own would run in this thread only once it wakes up:
    a signal that comes when it is just about to sleep, on an event or a queue, would be slept over for ever.
    """

    def note(number: int, frame: FrameType | None) -> None:
        """Nothing more: the number is in the socket."""

    def wait() -> None:
        while reader.recv(1)[0] not in before:
            pass  # a signal of somebody else's

    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        old_writer = signal.set_wakeup_fd(writer.fileno())
        before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield wait
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_writer)


def _bracketed(host: str) -> str:
    """An address as it stands before a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
