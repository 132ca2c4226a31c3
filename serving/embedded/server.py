"""The embedded server: a repository behind its fronts on one machine, with the answers of Triton.

Decisions a reader would question:
- The fronts answer before the models are loaded: that the server lives, and that it is not ready. Requests are told
  that it is still loading.
- Stopping has three parts. The server says that it is not ready and answers all that comes for `drain_s` seconds: who
  looks at its health, or heeds HTTP's `Connection: close`, sends no more. Then new requests are refused in Triton's
  words, which clients take elsewhere, and what runs has `grace_s` seconds. Then connections end, in a way that tells
  requests which come too late that the server is not there (over_grpc/ending.py).
"""

from __future__ import annotations

import importlib.metadata
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from artifact.errors import ServerError
from serving.arguments import takes
from serving.embedded.access.access import access_of
from serving.embedded.models.following import Following
from serving.embedded.models.store import ModelStore
from serving.embedded.operations.log import Log
from serving.embedded.operations.metrics import Metrics
from serving.embedded.operations.noting import ModelNotes, RequestNotes
from serving.embedded.operations.recorder import Recorder
from serving.embedded.operations.tracing import Tracing
from serving.embedded.options import ServerOptions
from serving.embedded.over_grpc.listener import GrpcListener
from serving.embedded.over_http.listener import HttpListener
from serving.embedded.over_http.metrics import MetricsListener
from serving.embedded.signals import stop_signals
from serving.embedded.tuning.automatic import AutomaticTuning
from serving.forks import keep_in_children, note_server
from serving.sessions import require_device

_LOOK_S = 0.02
"""Between looks at whether the fronts have ended."""


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
        given = self.options
        self.log = Log(given.report, form=given.log_format, level=given.log_level)
        inside = replace(given, report=self.log.report)  # what is reported inside are all things that went wrong
        self._store = ModelStore(repository, inside)
        self._following = Following(self._store, inside)
        access = access_of(inside)
        version = importlib.metadata.version("lookalike")
        ModelNotes(self._store, self.log)
        recorder = Recorder()
        self._tracing = self._watch(recorder, version)
        self._grpc = GrpcListener(self._store, inside, access, recorder, version=version)
        self._http = self._metrics = None
        if given.http_port is not None:
            self._http = HttpListener(self._store, inside, access, recorder, version=version)
        if given.metrics_port is not None:
            self._metrics = MetricsListener(Metrics(self._store, recorder, version=version), inside, access)
        self._tuning = AutomaticTuning(self._store, inside.report) if given.auto_tune else None
        self._port: int | None = None
        self._http_port: int | None = None
        self._metrics_port: int | None = None
        self._stopping = threading.Lock()
        self._hurry = threading.Event()
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
    def metrics_url(self) -> str | None:
        """HOST:PORT of the metrics; None without them. Raises ServerError as `port`."""
        if self._metrics is None:
            return None
        if self._metrics_port is None:
            raise ServerError("the server has not been started", mend="call start() first")
        return self.options.address(self._metrics_port)

    @property
    def model_names(self) -> list[str]:
        """The names that answer, sorted."""
        return self._store.names()

    def start(self) -> Self:
        """Take the ports, load every model, then be ready. Models that fail to load are reported, and stop nothing.

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
            if self._metrics is not None:
                self._metrics_port = self._metrics.listen()
            for front in self._fronts():
                front.start()
            self._following.start()
            if self._tuning is not None:
                self._tuning.start()
        except BaseException:
            self.stop(0)
            raise
        return self

    def stop(self, grace_s: float | None = None) -> None:
        """Go on for `drain_s`, not ready; then let what runs finish, and close. Twice is once.

        In a process that was forked from the server's own it does nothing: the server runs on there.

        Args:
            grace_s: for what runs, in seconds; None for that of the options. With 0 nothing is waited for, `drain_s`
                neither: a stop that another thread has begun ends at once then, too.
        """
        if self._process != os.getpid():
            return
        grace_s = self.options.grace_s if grace_s is None else grace_s
        if grace_s == 0:
            self._hurry.set()
        with self._stopping:
            if self._ended.is_set():
                return
            self._following.stop()
            if self._tuning is not None:
                self._tuning.stop()
            self._drain()
            self._close(grace_s)
            self._ended.set()
            if self._started:
                note_server(-1)

    def _drain(self) -> None:
        """Answer on, and have whoever looks at the health turn to others."""
        self._store.leave()
        for front in self._fronts():
            front.leave()
        if self._started:
            self._hurry.wait(self.options.drain_s)

    def _close(self, grace_s: float) -> None:
        """Refuse what comes, let what runs finish, then end everything, the metrics last."""
        deadline = time.monotonic() + grace_s
        self._store.stop_accepting()
        for front in self._fronts():
            front.end_streams()
        while self._started and not self._is_answered() and not self._hurry.wait(_LOOK_S):
            if time.monotonic() >= deadline:
                break
        if self._store.requests.now[0]:
            self.log.warning(f"requests were still running after {grace_s:g} s; they are cancelled", "stop")
        for front in self._fronts():
            front.cut(0.0 if self._hurry.is_set() else max(0.0, deadline - time.monotonic()))
        if self._tuning is not None:
            self._tuning.close()
        self._store.close()
        if self._tracing is not None:
            self._tracing.close()

    def _is_answered(self) -> bool:
        return not self._store.requests.now[0] and all(front.is_answered for front in self._fronts())

    def _fronts(self) -> list[Any]:
        return [front for front in (self._http, self._grpc, self._metrics) if front is not None]

    def _watch(self, recorder: Recorder, version: str) -> Tracing | None:
        """Have the recorder tell of requests where the options ask for it."""
        options, tracing = self.options, None
        notes = RequestNotes(self.log, every=options.log_requests, slow_ms=options.log_slow_ms)
        if options.log_requests or options.log_slow_ms is not None:
            recorder.watch(notes.note)
        else:
            recorder.watch_faults(notes.note)
        if options.trace_endpoint is not None:
            tracing = Tracing(options.trace_endpoint, ratio=options.trace_ratio, version=version)
            recorder.watch(tracing.note)
        return tracing

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
    """Run a server until SIGTERM or SIGINT, then stop it as `Server.stop` does; a second signal ends it at once.

    To be called from the main thread, which is the one that gets signals.

    Raises:
        ServerError: as its `start`.
    """
    log, options = server.log, server.options
    with stop_signals() as signals:
        server.start()
        http = f" and {server.http_url} (HTTP)" if server.http_url else ""
        metrics = f", metrics on {server.metrics_url}" if server.metrics_url else ""
        names = ", ".join(server.model_names) or "no model"
        log.info(f"serving {names} on {server.url} (gRPC){http}{metrics}", "start")
        signals.wait()
        drain = f"answering for {options.drain_s:g} s more, then " if options.drain_s else ""
        log.info(
            f"stopping: {drain}requests in flight may take {options.grace_s:g} s more; a second signal ends it at once",
            "stop",
        )
        stopping = threading.Thread(target=_stop, args=(server, signals.wake), name="lookalike-stop")
        stopping.start()
        if signals.wait():
            log.info("stopping at once", "stop")
            server.stop(0)
        stopping.join()


def _stop(server: Server, ended: Callable[[], None]) -> None:
    try:
        server.stop()
    finally:
        ended()
