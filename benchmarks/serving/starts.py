"""The start of a server: seconds from the command to ready, memory at rest, and which files it writes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tritonclient.grpc as triton_client

from benchmarks.serving.contenders import ours
from benchmarks.serving.processes import usage
from tests.shared.serving_urls import free_port

_POLL_S, _START_S = 0.01, 60.0


def measure(repository: Path, model: str, *, rounds: int) -> dict[str, Any]:
    """Of one model: seconds to ready, MiB at rest before and after the first answers, files under an empty home."""
    seconds = [_seconds_to_ready(repository, model) for _ in range(rounds)]
    file_mib = sum(path.stat().st_size for path in repository.rglob("*.onnx")) / 2**20
    with tempfile.TemporaryDirectory(prefix="lookalike-home-") as home:
        empty = {"HOME": home, "XDG_CACHE_HOME": f"{home}/cache"}
        with ours(repository, environment=empty) as server:
            time.sleep(2)
            at_rest = usage(server.pid)
        written = sorted(str(path.relative_to(home)) for path in Path(home).rglob("*") if path.is_file())
    return {
        "start_to_ready_s": round(statistics.median(seconds), 3),
        "start_to_ready_each_s": [round(each, 3) for each in seconds],
        "rss_at_rest_mib": round(at_rest.rss_mib, 1),
        "threads_at_rest": at_rest.threads,
        "model_files_mib": round(file_mib, 1),
        "files_written_into_home": written,
    }


def _seconds_to_ready(repository: Path, model: str) -> float:
    port = free_port()
    command = [sys.executable, "-m", "lookalike", "serve", str(repository), "--grpc-port", str(port), "--no-http"]
    started = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() < started + _START_S:
            # A channel of its own each time: one that failed would wait a second before it tries again.
            with triton_client.InferenceServerClient(f"127.0.0.1:{port}") as client:
                try:
                    if client.is_model_ready(model, client_timeout=1):
                        return time.monotonic() - started
                except triton_client.InferenceServerException:
                    time.sleep(_POLL_S)
        raise RuntimeError("the server did not become ready")
    finally:
        process.terminate()
        process.wait(30)
