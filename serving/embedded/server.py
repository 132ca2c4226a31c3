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
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import grpc
from tritonclient.grpc.service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server

from artifact.errors import ServerError, UsageError
from artifact.preprocessing import DEFAULT_LIMITS, Limits
from serving.embedded.grpc_health import health_handler
from serving.embedded.grpc_service import GrpcService
from serving.embedded.models import ModelStore
from serving.embedded.servables import Settings
from serving.engine import require_device

DEFAULT_GRPC_PORT = 8001
DEFAULT_MAX_MESSAGE_BYTES = 128 * 1024 * 1024
DEFAULT_MAX_QUEUE = 1024
DEFAULT_MAX_RUNNING_BYTES = 1024 * 1024 * 1024
DEFAULT_GRACE_S = 10.0
_SPARE_THREADS = 16  # to answer health and to refuse requests while every one in the server holds a thread


def unreported(line: str) -> None:
    """The report of servers that nobody watches."""


class Server:
    """A server over a model repository; a context manager that starts it and stops it.

    Args:
        repository: folder of the model repository.
        host: address to listen on; the default is reached from this machine only.
        grpc_port: port to listen on; 0 chooses a free one, see `port`.
        threads: of one run of a network, and of decoding; None takes every core that this process may use.
        max_message_bytes: larger requests are refused with RESOURCE_EXHAUSTED.
        limits: what encoded images are refused for before decoding.
        device: `cpu` or `cuda`.
        max_queue: requests that may wait for one model; more are refused with UNAVAILABLE.
        max_running_bytes: of all requests in the server, in bytes; more are refused with UNAVAILABLE.
        check_goldens: run every artifact's golden images before serving it.
        report: gets one line for everything that an operator wants to know.

    Raises:
        UsageError: an option that makes no sense.
        RepositoryError: no such repository.
    """

    def __init__(
        self,
        repository: Path | str,
        *,
        host: str = "127.0.0.1",
        grpc_port: int = DEFAULT_GRPC_PORT,
        threads: int | None = None,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        limits: Limits = DEFAULT_LIMITS,
        device: str = "cpu",
        max_queue: int = DEFAULT_MAX_QUEUE,
        max_running_bytes: int = DEFAULT_MAX_RUNNING_BYTES,
        check_goldens: bool = True,
        report: Callable[[str], None] = unreported,
    ) -> None:
        _require_options(
            host,
            grpc_port,
            threads=threads,
            max_message_bytes=max_message_bytes,
            max_queue=max_queue,
            max_running_bytes=max_running_bytes,
        )
        require_device(device)
        settings = Settings(
            threads=threads,
            device=device,
            max_queue=max_queue,
            max_running_bytes=max_running_bytes,
            check_goldens=check_goldens,
            limits=limits,
        )
        self.host, self._wanted_port, self._report = host, grpc_port, report
        self._store = ModelStore(repository, settings, report=report)
        self._threads = ThreadPoolExecutor(settings.max_running + _SPARE_THREADS, "lookalike-grpc")
        self._server = grpc.server(
            self._threads,
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=settings.max_running + _SPARE_THREADS,
        )
        version = importlib.metadata.version("lookalike")
        service = GrpcService(self._store, version=version, report=report)
        add_GRPCInferenceServiceServicer_to_server(service, self._server)
        self._server.add_generic_rpc_handlers((health_handler(lambda: self._store.is_ready),))
        self._port: int | None = None
        self._stopping = threading.Lock()
        self._stopped = False

    @property
    def port(self) -> int:
        """The gRPC port; raises ServerError before `start`."""
        if self._port is None:
            raise ServerError("the server has not been started", mend="call start() first")
        return self._port

    @property
    def url(self) -> str:
        """HOST:PORT of the gRPC port, as clients take it."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def model_names(self) -> list[str]:
        """The names that answer, sorted."""
        return self._store.names()

    def start(self) -> Self:
        """Take the port, load every model, then answer. Models that fail to load are reported, and stop nothing.

        Raises:
            ServerError: the port cannot be had.
        """
        address = f"{_bracketed(self.host)}:{self._wanted_port}"
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

    def stop(self, grace_s: float = DEFAULT_GRACE_S) -> None:
        """Refuse new requests, let those in flight finish for at most `grace_s` seconds, then close. Twice is once."""
        with self._stopping:
            if self._stopped:
                return
            deadline = time.monotonic() + grace_s
            if not self._store.stop_accepting(grace_s):
                self._report(f"requests were still running after {grace_s:g} s; they are cancelled")
            self._server.stop(max(0.0, deadline - time.monotonic())).wait()
            self._store.close()
            self._threads.shutdown(wait=True)
            self._stopped = True

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the server has stopped; False if it still runs after `timeout_s`."""
        return not self._server.wait_for_termination(timeout_s)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(
    repository: Path | str,
    *,
    host: str = "127.0.0.1",
    grpc_port: int = DEFAULT_GRPC_PORT,
    threads: int | None = None,
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
    limits: Limits = DEFAULT_LIMITS,
    device: str = "cpu",
    max_queue: int = DEFAULT_MAX_QUEUE,
    max_running_bytes: int = DEFAULT_MAX_RUNNING_BYTES,
    check_goldens: bool = True,
    grace_s: float = DEFAULT_GRACE_S,
    report: Callable[[str], None] = unreported,
) -> None:
    """Serve a repository until SIGTERM or SIGINT, then stop as `Server.stop` does. Takes the arguments of `Server`.

    To be called from the main thread, which is the one that gets signals.

    Args:
        grace_s: how long requests in flight may go on after a signal, in seconds.

    Raises:
        ServerError, UsageError, RepositoryError: as `Server` and its `start`.
    """
    server = Server(
        repository,
        host=host,
        grpc_port=grpc_port,
        threads=threads,
        max_message_bytes=max_message_bytes,
        limits=limits,
        device=device,
        max_queue=max_queue,
        max_running_bytes=max_running_bytes,
        check_goldens=check_goldens,
        report=report,
    )
    with _signals() as stopped:
        server.start()
        report(f"serving {', '.join(server.model_names) or 'no model'} on {server.url} (gRPC)")
        stopped.wait()
        report(f"stopping: requests in flight may take {grace_s:g} s more")
        server.stop(grace_s)


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the handlers that were there are put back."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_options(host: str, grpc_port: int, **at_least_one: int | None) -> None:
    if not host:
        raise UsageError("host", expected="an address", got="nothing", mend="127.0.0.1 is this machine only")
    if not 0 <= grpc_port <= 65535:
        raise UsageError("grpc_port", expected="0 to 65535", got=str(grpc_port))
    for name, value in at_least_one.items():
        if value is not None and value < 1:
            raise UsageError(name, expected="at least 1", got=str(value))


def _bracketed(host: str) -> str:
    """An address as it stands before a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
