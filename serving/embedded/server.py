"""The embedded server: a repository behind its fronts on one machine, with the answers of Triton.

Stopping refuses new requests in Triton's words first, and closes connections when those in flight are answered.
"""

from __future__ import annotations

import importlib.metadata
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from artifact.errors import ServerError
from serving.arguments import takes
from serving.embedded.access.access import access_of
from serving.embedded.models.store import ModelStore
from serving.embedded.options import ServerOptions
from serving.embedded.over_grpc.listener import GrpcListener
from serving.embedded.over_http.listener import HttpListener
from serving.embedded.signals import stop_signals
from serving.engine import require_device
from serving.forks import keep_in_children, note_server


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
        access = access_of(self.options)
        version = importlib.metadata.version("lookalike")
        self._grpc = GrpcListener(self._store, self.options, access, version=version)
        has_http = self.options.http_port is not None
        self._http = HttpListener(self._store, self.options, access, version=version) if has_http else None
        self._port: int | None = None
        self._http_port: int | None = None
        self._stopping = threading.Lock()
        self._ended = threading.Event()
        self._started = False
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
        return self.options.address(self.port)

    @property
    def http_url(self) -> str | None:
        """HOST:PORT of the HTTP port, as tritonclient.http takes it; None without one. Raises ServerError as `port`."""
        if self._http is None:
            return None
        if self._http_port is None:
            raise ServerError("the server has not been started", mend="call start() first")
        return self.options.address(self._http_port)

    @property
    def model_names(self) -> list[str]:
        """The names that answer, sorted."""
        return self._store.names()

    def start(self) -> Self:
        """Take the ports, load every model, then answer. Models that fail to load are reported, and stop nothing.

        Raises:
            ServerError: a port cannot be had.
        """
        self._require_own_process()
        note_server(1)
        self._started = True
        try:
            self._port = self._grpc.listen()
            if self._http is not None:
                self._http_port = self._http.listen()
            self._store.load_all()
            self._grpc.start()
            if self._http is not None:
                self._http.start()
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
            if self._ended.is_set():
                return
            deadline = time.monotonic() + grace_s
            if not self._store.stop_accepting(grace_s):
                self.options.report(f"requests were still running after {grace_s:g} s; they are cancelled")
            for front in (self._http, self._grpc):
                if front is not None:
                    front.stop(max(0.0, deadline - time.monotonic()))
            self._store.close()
            self._ended.set()
            if self._started:
                note_server(-1)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the server has stopped; False if it still runs after `timeout_s`."""
        self._require_own_process()
        return self._ended.wait(timeout_s)

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
    with stop_signals() as wait_for_signal:
        server.start()
        http = f" and {server.http_url} (HTTP)" if server.http_url else ""
        report(f"serving {', '.join(server.model_names) or 'no model'} on {server.url} (gRPC){http}")
        wait_for_signal()
        report(f"stopping: requests in flight may take {server.options.grace_s:g} s more")
        server.stop()
