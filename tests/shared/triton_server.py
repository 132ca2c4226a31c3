"""Real tritonserver over a repository, as a context manager; environment.sh in tests/shared/real_triton installs it.

Every wait has an end, and only the process group that was started here is ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import tritonclient.grpc as triton

_HERE = Path(__file__).resolve().parent / "real_triton"
_RESULT = _HERE / "result"
_START_S, _STOP_S, _TRIES = 120.0, 20.0, 3
_CONTROL = {"explicit": ["--load-model=*"], "poll": ["--repository-poll-secs=1"], "none": []}


def unavailable() -> str | None:
    """Why real Triton cannot run here, as environment.sh found out; None if it can."""
    status, _, text = _RESULT.read_text().strip().partition(": ") if _RESULT.is_file() else ("", "", "")
    if not status:
        return "tests/shared/real_triton/environment.sh was not run; `make triton` runs it"
    if status != "ready":
        return text
    return None if (Path(text) / ".ready").is_file() else f"{text} is gone; `make triton` builds it again"


class TritonServer:
    """A running tritonserver with every model of the repository loaded.

    Args:
        repository: the folder of models.
        control: `explicit`: models are loaded and unloaded when asked for; `poll`: when the folder changes, looked at
            once a second; `none`: never after the start.
        config_name: read NAME/configs/<config_name>.pbtxt where a model has it, as on a machine of that kind.
        cache_mb: size of its response cache; without one it has none.
        metrics: tell them too, at `metrics_url`.

    Raises:
        RuntimeError: real Triton is not available, or did not become ready; the end of its log is in the message.
    """

    def __init__(
        self,
        repository: Path,
        *,
        control: str = "explicit",
        config_name: str | None = None,
        metrics: bool = False,
        cache_mb: int = 0,
    ) -> None:
        self.repository, self.control, self.config_name, self.metrics = repository, control, config_name, metrics
        self.cache_mb = cache_mb
        self._cleanup = contextlib.ExitStack()

    @property
    def grpc_url(self) -> str:
        """host:port of the gRPC service."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def metrics_url(self) -> str:
        """host:port of the metrics."""
        return f"127.0.0.1:{self.metrics_port}"

    @property
    def pid(self) -> int:
        """The server's process; its python stubs are children of it."""
        return self._process.pid

    @property
    def http_url(self) -> str:
        """host:port of the REST service."""
        return f"127.0.0.1:{self.http_port}"

    @property
    def has_crashed(self) -> bool:
        """Whether it ended by a fault of its own, or is about to: it says so and may go on hanging."""
        return "Signal (11) received" in self.log

    @property
    def log(self) -> str:
        """What the server and its python stubs have written so far."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> TritonServer:
        if reason := unavailable():
            raise RuntimeError(f"real Triton is not available: {reason}")
        for tries_left in reversed(range(_TRIES)):
            try:
                self._start_and_wait()
            except RuntimeError as error:
                # A port that was free may be anybody's a second later.
                if not tries_left or "already in use" not in str(error):
                    raise
            else:
                break
        return self

    def _start_and_wait(self) -> None:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triton-")))
            self._log = folder / "log"
            self._start(folder)
            stack.callback(self._stop)
            self._wait_until_ready()
            self._cleanup = stack.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _start(self, folder: Path) -> None:
        environment = Path(_RESULT.read_text().strip().partition(": ")[2])
        backends = folder / "backends"
        backends.mkdir()
        (backends / "python").symlink_to(environment / "python_backend")
        (backends / "onnxruntime").symlink_to(_HERE / "onnxruntime")
        self.grpc_port, self.http_port, self.metrics_port = _free_ports(3)
        command = [
            str(environment / "tritonserver"),
            f"--model-repository={self.repository}",
            f"--backend-directory={backends}",
            f"--model-control-mode={self.control}",
            *_CONTROL[self.control],
            *([f"--model-config-name={self.config_name}"] if self.config_name else []),
            *(_cache_options(environment, self.cache_mb) if self.cache_mb else []),
            "--grpc-address=127.0.0.1",
            f"--grpc-port={self.grpc_port}",
            "--http-address=127.0.0.1",
            f"--http-port={self.http_port}",
            f"--allow-metrics={str(self.metrics).lower()}",
            f"--metrics-port={self.metrics_port}",
            "--exit-timeout-secs=10",
        ]
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        variables["LD_LIBRARY_PATH"] = str(environment / "libraries")
        variables["PATH"] = f"{environment / 'bin'}:{variables.get('PATH', '')}"  # where the stub finds its Python
        variables["OMP_NUM_THREADS"] = "1"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables, start_new_session=True
            )

    def _wait_until_ready(self) -> None:
        client = triton.InferenceServerClient(self.grpc_url)
        deadline = time.monotonic() + _START_S
        try:
            while time.monotonic() < deadline and self._process.poll() is None:
                with contextlib.suppress(triton.InferenceServerException):
                    if client.is_server_ready(client_timeout=5):
                        return
                time.sleep(0.05)
        finally:
            client.close()
        state = "it ended" if self._process.poll() is not None else f"not ready after {_START_S:.0f} s"
        raise RuntimeError(f"tritonserver did not start: {state}:\n{self._failures()}")

    def _failures(self) -> str:
        """The errors in the log, and its end: what stops a server is followed by pages about its stopping."""
        errors = [line for line in self.log.splitlines() if line.startswith(("E", "error:"))]
        return "\n".join([*errors[:20], "...", self.log[-1000:]])

    def _stop(self) -> None:
        """SIGTERM to the server, which ends its stubs; then the whole group of it, for what may be left."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_STOP_S)


def _cache_options(environment: Path, cache_mb: int) -> list[str]:
    """The options of tritonserver's local response cache, whose library lies in the wheel beside the server's."""
    server = (environment / "tritonserver").resolve()
    caches = next(folder / "caches" for folder in server.parents if (folder / "caches").is_dir())
    return [f"--cache-directory={caches}", f"--cache-config=local,size={cache_mb * 2**20}"]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
