"""Thirty minutes at full load: memory, threads and file descriptors do not grow, and every answer is right.

Clients, each in a process of its own, send in turn pixels over gRPC, a stream of them, JPEG files with a bad one among
them, and binary and JSON requests over HTTP; every answer is compared. A model is loaded anew every few seconds
meanwhile. It does not resume: what is asked is what half an hour in one piece does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tritonclient.grpc as triton

from benchmarks.faults.growth import sampling
from benchmarks.serving.contenders import ours
from tests.shared.conformance.served import publish_models

SECONDS, CLIENTS, SAMPLE_S, RELOAD_S = 1800.0, 3, 5.0, 10.0
MOST_GROWTH_PERCENT = 2.0


def run(*, seconds: float = SECONDS, sample_s: float = SAMPLE_S, reload_s: float = RELOAD_S) -> dict[str, Any]:
    """Growth and what was answered; raises AssertionError for a wrong answer, and for growth in the whole form."""
    with tempfile.TemporaryDirectory(prefix="lookalike-soak-") as name:
        repository = publish_models(Path(name))
        with ours(repository) as server, sampling(server.pid, sample_s) as samples:
            command = [sys.executable, "-m", "benchmarks.faults.soak_client", server.grpc_url, server.http_url]
            clients = [
                subprocess.Popen([*command, str(repository), str(seconds)], stdout=subprocess.PIPE, text=True)
                for _ in range(CLIENTS)
            ]
            try:
                num_reloads = _reload_until(server.grpc_url, time.monotonic() + seconds, reload_s)
                answers = [json.loads(client.communicate(timeout=60)[0]) for client in clients]
            finally:
                for client in clients:
                    client.kill()
                    client.wait()
            growth = samples.growth()
    result = {
        "seconds": seconds,
        "answers": {kind: sum(one["answers"][kind] for one in answers) for kind in answers[0]["answers"]},
        "wrong": [text for one in answers for text in one["wrong"]],
        "reloads": num_reloads,
        "growth": growth,
    }
    assert not result["wrong"], result
    assert all(result["answers"].values()), result
    if seconds >= SECONDS:
        assert growth["rss_growth_percent"] < MOST_GROWTH_PERCENT, result
    return result


def _reload_until(url: str, ends: float, every_s: float) -> int:
    count = 0
    with triton.InferenceServerClient(url) as client:
        while time.monotonic() + every_s < ends:
            time.sleep(every_s)
            client.load_model("moving")
            count += 1
    time.sleep(max(0.0, ends - time.monotonic()))
    return count
