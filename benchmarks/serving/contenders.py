"""The servers that are compared, each in processes of its own on free ports of this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tritonclient.grpc as triton_client

from benchmarks.serving.networks import PLAIN
from tests.shared.serving_urls import free_port
from tests.shared.triton_server import TritonServer

MLSERVER = Path(__file__).parent / "mlserver"
_READY_S = 60.0
_LISTENS = re.compile(r"on (127\.0\.0\.1:\d+) \(gRPC\)(?: and (127\.0\.0\.1:\d+) \(HTTP\))?")
_TUNED = re.compile("was measured: it runs as|runs as measured here")


@dataclass(frozen=True)
class Running:
    """A server: HOST:PORT of its fronts, and the process whose tree it is."""

    grpc_url: str
    http_url: str
    pid: int


@contextmanager
def ours(
    repository: Path, *words: str, tuned_in: Path | None = None, environment: dict[str, str] | None = None
) -> Iterator[Running]:
    """`lookalike serve` with its defaults, and more words where they are given.

    Args:
        tuned_in: it tunes itself before it is given, and keeps what it measured there; None: it does not tune itself.
            Nothing is tuned while others are measured.
    """
    ports = ["--grpc-port", "0", "--http-port", "0", "--metrics-port", "0"]
    tuning = ["--no-auto-tune"] if tuned_in is None else []
    command = [sys.executable, "-m", "lookalike", "serve", str(repository), *ports, *tuning, *words]
    cache = {} if tuned_in is None else {"XDG_CACHE_HOME": str(tuned_in.absolute())}
    environment = os.environ | cache | (environment or {})
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        urls, *_ = _told(process, [_LISTENS] if tuned_in is None else [_LISTENS, _TUNED])
        yield Running(urls[1], urls[2], process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _told(process: subprocess.Popen[str], what: Sequence[re.Pattern[str]]) -> list[re.Match[str]]:
    """Read what a server says until it has told all of some things, in any order."""
    assert process.stderr is not None
    lines, found = list[str](), dict[re.Pattern[str], re.Match[str]]()
    while len(found) < len(what):
        lines.append(process.stderr.readline())
        if not lines[-1]:
            raise RuntimeError("".join(lines))
        found |= {each: match for each in what if (match := each.search(lines[-1]))}
    return [found[each] for each in what]


@contextmanager
def triton(repository: Path) -> Iterator[Running]:
    """Real tritonserver; onnxruntime runs in its python backend."""
    with TritonServer(repository) as server:
        yield Running(server.grpc_url, server.http_url, server.pid)


@contextmanager
def mlserver(file: Path, home: Path, *, threads: int) -> Iterator[Running]:
    """mlserver with the plain file: no workers of its own, for they cost it more than they give, and its batching."""
    python = _mlserver_python(home)
    folder = home / f"mlserver-{file.parent.name}"
    folder.mkdir(exist_ok=True)
    grpc_port, http_port, metrics_port = free_port(), free_port(), free_port()
    settings = {
        "host": "127.0.0.1",
        "grpc_port": grpc_port,
        "http_port": http_port,
        "metrics_port": metrics_port,
        "parallel_workers": 0,
        "grpc_max_message_length": 2**27,
        "debug": False,
    }
    model = {
        "name": PLAIN,
        "implementation": "onnx_runtime.OnnxRuntime",
        "max_batch_size": 16,
        "max_batch_time": 0.002,
        "parameters": {"uri": str(file), "extra": {"threads": threads}},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    (folder / "onnx_runtime.py").write_text((MLSERVER / "onnx_runtime.py").read_text())
    log = folder / "log"
    with log.open("wb") as file_:
        process = subprocess.Popen(
            [str(Path(python).with_name("mlserver")), "start", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=file_,
            stderr=file_,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        )
    try:
        url = f"127.0.0.1:{grpc_port}"
        _wait_until_ready(url, process, log)
        yield Running(url, f"127.0.0.1:{http_port}", process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _mlserver_python(home: Path) -> str:
    """The Python of mlserver's own environment, built from mlserver/requirements.txt where it is not there."""
    folder = home / "mlserver"
    done = folder / ".done"
    told = (MLSERVER / "requirements.txt").read_text()
    if not (done.is_file() and done.read_text() == told):
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "-r", MLSERVER / "requirements.txt"], check=True, timeout=900)
        done.write_text(told)
    return str(folder / "bin" / "python")


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    with triton_client.InferenceServerClient(url) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.is_model_ready(PLAIN, client_timeout=2):
                    return
            except triton_client.InferenceServerException:
                pass
            time.sleep(0.1)
    raise RuntimeError(f"mlserver is not ready:\n{log.read_text()[-3000:]}")
