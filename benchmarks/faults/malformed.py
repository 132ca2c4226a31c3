"""A million malformed requests over gRPC and HTTP, from several client processes: no crash, no hang, no growth.

Every request is told by its number, so a run that was cut off goes on with the next numbers (arms of CHUNK requests,
kept in build/benchmark-malformed.json). The server is a fresh one in every run, and growth is that of this run's server
after the first fifth of its chunks. After each chunk a right request is answered over both fronts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.arms import Arms
from benchmarks.faults.growth import Samples
from benchmarks.serving.contenders import Running, ours
from tests.shared.conformance.cases import some_pixels
from tests.shared.conformance.over_rest.answers import Vectors
from tests.shared.conformance.over_rest.requests import inference, post
from tests.shared.conformance.rest import exchange
from tests.shared.conformance.served import BRANCH, connected, publish_models, require_close

COUNT, CHUNK, CLIENTS = 1_000_000, 50_000, 2
PARTIAL = Path("build/benchmark-malformed.json")
MOST_GROWTH_PERCENT = 2.0
GRPC_CODES = ("OK", "INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED", "no message")
HTTP_STATUSES = (200, 400, 404, 405, 408, 411, 413, 415, 417, 421, 431, 501, 503, 505)
HTTP_CLOSED = ("ConnectionResetError", "BrokenPipeError")
_KNOWN = {f"grpc {code}" for code in GRPC_CODES} | {
    f"http {status}" for status in (*HTTP_STATUSES, "no answer", *HTTP_CLOSED)
}
_PER_CHUNK_S = 1800.0


def run(*, count: int = COUNT, chunk: int = CHUNK, partial: Path = PARTIAL) -> dict[str, Any]:
    """Outcomes of all requests and the growth of the server; raises AssertionError where there is another outcome."""
    arms = Arms(partial, ("malformed", count, chunk))
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="lookalike-malformed-") as name:
        repository = publish_models(Path(name))
        with ours(repository) as server:
            samples = Samples(server.pid)
            for first in range(0, count, chunk):

                def measure(first: int = first) -> dict[str, int]:
                    found = send(server, first, min(chunk, count - first))
                    require_alive(server, repository)
                    samples.take()
                    return found

                outcomes.update(arms.get(f"from {first}", measure))
    result: dict[str, Any] = {"requests": sum(outcomes.values()), "outcomes": dict(sorted(outcomes.items()))}
    if len(samples.taken) > 1:
        result["growth_of_the_last_run"] = samples.growth()
        result["rss_mib_after_each"] = [round(one.rss_mib, 1) for one in samples.taken]
        growth = result["growth_of_the_last_run"]["rss_growth_percent"]
        if len(samples.taken) > 4:  # fewer chunks are a warm-up and nothing else
            assert growth < MOST_GROWTH_PERCENT, result
    assert set(outcomes) <= _KNOWN, result
    assert result["requests"] == count
    arms.forget()
    return result


def send(server: Running, first: int, count: int) -> Counter[str]:
    """Outcomes of the requests of these numbers, by CLIENTS processes."""
    share = -(-count // CLIENTS)
    starts = range(first, first + count, share)
    command = [sys.executable, "-m", "benchmarks.faults.malformed_client", server.grpc_url, server.http_url]
    clients = [
        subprocess.Popen(
            [*command, str(start), str(min(share, first + count - start))], stdout=subprocess.PIPE, text=True
        )
        for start in starts
    ]
    outcomes: Counter[str] = Counter()
    try:
        for client in clients:
            told, _ = client.communicate(timeout=_PER_CHUNK_S)
            assert client.returncode == 0
            outcomes.update(json.loads(told))
    finally:
        for client in clients:
            client.kill()
            client.wait()
    return outcomes


def require_alive(server: Running, repository: Path) -> None:
    """A right request is answered rightly over both fronts."""
    with connected(server.grpc_url, repository) as served:
        require_close(served.infer("pets", {"image": some_pixels(2)}), BRANCH.outputs({"image": some_pixels(2)}))
        assert served.call("ServerReady").ready
    sent = post(inference())
    Vectors().require(*exchange(server.http_url, sent.method, sent.path, sent.body, sent.headers))
