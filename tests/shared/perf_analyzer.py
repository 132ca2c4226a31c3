"""Real perf_analyzer against a server, unchanged, and what it reports; perf_analyzer.sh in real_triton installs it.

What it sends is always told: without a file of data it would send noise, whose floats hold NaN and denormals. Its
report is the CSV file that it writes for spreadsheets; the answers come from the file that it writes for profilers.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_HERE = Path(__file__).resolve().parent / "real_triton"
_RESULT = _HERE / "perf_analyzer.result"
_WINDOWS = 3
"""As many windows are measured, whatever they say: how much rounds differ is told by more rounds."""

Arrays = Mapping[str, np.ndarray[Any, Any]]


def unavailable() -> str | None:
    """Why perf_analyzer cannot run here, as perf_analyzer.sh found out; None if it can."""
    status, _, text = _RESULT.read_text().strip().partition(": ") if _RESULT.is_file() else ("", "", "")
    if not status:
        return "tests/shared/real_triton/perf_analyzer.sh was not run; `make triton` runs it"
    if status != "ready":
        return text
    return None if (Path(text) / "perf_analyzer").is_file() else f"{text} is gone; `make triton` builds it again"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What perf_analyzer measured at one concurrency or rate; latencies are those that its client saw.

    Attributes:
        rows_per_s: rows of inference a second: requests times the batch.
        p50_ms, p90_ms, p95_ms, p99_ms: percentiles of the latency of a request.
        queue_ms, compute_ms: means that the server's own statistics told.
        num_requests: those that it counted.
        text: all that it printed.
    """

    rows_per_s: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    queue_ms: float
    compute_ms: float
    num_requests: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request's inputs and its answer's outputs, each a flat list of values in the order of the tensor."""

    inputs: dict[str, list[Any]]
    outputs: dict[str, list[Any]]


def write_data(file: Path, rows: Sequence[Arrays]) -> Path:
    """Write what is to be sent, a row of every input at a time; BYTES are arrays of bytes objects."""
    told = [
        {
            name: {"b64": base64.b64encode(_raw(array)).decode(), "shape": list(array.shape)}
            for name, array in row.items()
        }
        for row in rows
    ]
    file.write_text(json.dumps({"data": told}))
    return file


def analyze(
    url: str,
    model: str,
    data: Path,
    *,
    protocol: str = "grpc",
    concurrency: int = 1,
    batch: int = 1,
    is_streaming: bool = False,
    rate: float | None = None,
    num_requests: int | None = None,
    window_s: float = 2.0,
    more: Sequence[str] = (),
    timeout_s: float = 300.0,
) -> Report:
    """Put load on a model of a server and give the report.

    Args:
        url: HOST:PORT of the protocol's port.
        model: its name.
        data: file of `write_data`.
        protocol: `grpc` or `http`.
        concurrency: requests in flight.
        batch: rows a request.
        is_streaming: over ModelStreamInfer.
        rate: requests a second, at constant intervals; then there is no concurrency.
        num_requests: so many requests and no more, instead of three windows of `window_s` seconds.
        more: options of perf_analyzer besides.
        timeout_s: then it is ended.

    Raises:
        RuntimeError: it cannot run here, or failed: a request that is refused makes it fail.
    """
    if reason := unavailable():
        raise RuntimeError(f"real perf_analyzer is not available: {reason}")
    home = Path(_RESULT.read_text().strip().partition(": ")[2])
    with tempfile.TemporaryDirectory(prefix="perf-analyzer-") as folder:
        table = Path(folder) / "report.csv"
        command = [str(home / "perf_analyzer"), "-m", model, "-u", url, "-i", protocol, "-b", str(batch)]
        command += ["--input-data", str(data), "-f", str(table), *more]
        if rate is None:
            command += ["--concurrency-range", str(concurrency)]
        else:
            command += [f"--request-rate-range={rate:g}", "--max-threads=16"]
        if is_streaming:
            command += ["--streaming", "--async"]
        if num_requests is not None:
            command += ["--request-count", str(num_requests)]
        else:
            command += [f"--measurement-interval={round(window_s * 1000)}", "--stability-percentage=100000"]
            command += [f"--max-trials={_WINDOWS}"]
        # The whole environment but for the libraries, which must not be those of another program.
        environment = os.environ | {"LD_LIBRARY_PATH": str(home / "libraries")}
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode or not table.is_file():
            said = (done.stderr + done.stdout).partition("\nUsage: ")[0]
            raise RuntimeError(f"perf_analyzer ended with status {done.returncode}: {said[:2000]}")
        return _report(table.read_text(), done.stdout)


def read_exchanges(file: Path) -> list[Exchange]:
    """Requests and answers, of the file that `--profile-export-file` wrote."""
    (experiment,) = json.loads(file.read_text())["experiments"]
    told = experiment["requests"]
    return [Exchange(inputs=one["request_inputs"], outputs=one["response_outputs"][0]) for one in told]


def _report(table: str, text: str) -> Report:
    (row,) = csv.DictReader(table.splitlines())
    count = next(line for line in text.splitlines() if "Request count: " in line)
    compute = sum(float(row[f"Server Compute {part}"]) for part in ("Input", "Infer", "Output"))
    return Report(
        rows_per_s=float(row["Inferences/Second"]),
        **{f"p{share}_ms": float(row[f"p{share} latency"]) / 1000 for share in (50, 90, 95, 99)},  # type: ignore[arg-type]
        queue_ms=float(row["Server Queue"]) / 1000,
        compute_ms=compute / 1000,
        num_requests=int(count.partition(": ")[2]),
        text=text,
    )


def _raw(array: np.ndarray[Any, Any]) -> bytes:
    if array.dtype != object:
        return array.tobytes()
    return b"".join(len(element).to_bytes(4, "little") + element for element in array.ravel())
