"""Rounds of load: every contender in turn at one concurrency, so that what slows the machine slows all of them.

An arm is one measurement: rows a second, percentiles as perf_analyzer's client saw them, and the milliseconds of
processor that a row cost the server.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tritonclient.grpc as triton_client

from benchmarks.serving.contenders import Running
from benchmarks.serving.processes import usage
from tests.shared.perf_analyzer import Report, analyze

Arm = dict[str, float]
_TOO_SHORT = ("Please use a larger time window", "Failed to obtain stable measurement")


def load(server: Running, model: str, data: Path, *, protocol: str = "grpc", **options: Any) -> Arm:
    """One measurement by perf_analyzer; `options` are those of `analyze`."""
    url = server.grpc_url if protocol == "grpc" else server.http_url
    rows, cpu_s = _rows(server, model), usage(server.pid).cpu_s
    report = _patiently(url, model, data, protocol=protocol, **options)
    rows, cpu_s = _rows(server, model) - rows, usage(server.pid).cpu_s - cpu_s
    return {
        "rows_per_s": report.rows_per_s,
        "p50_ms": report.p50_ms,
        "p99_ms": report.p99_ms,
        "queue_ms": report.queue_ms,
        "cpu_ms_a_row": 1000 * cpu_s / rows,
    }


def _patiently(*arguments: Any, window_s: float, **options: Any) -> Report:
    """`analyze`, with longer windows where a request takes longer than one of them."""
    for longer in (1, 4, 16):
        try:
            return analyze(*arguments, window_s=longer * window_s, **options)
        except RuntimeError as error:
            if not any(words in str(error) for words in _TOO_SHORT):
                raise
            told = error
    raise told


def _rows(server: Running, model: str) -> int:
    """Rows that it has answered: those before perf_analyzer's first window cost processor too."""
    with triton_client.InferenceServerClient(server.grpc_url) as client:
        (told,) = client.get_inference_statistics(model).model_stats
    return int(told.inference_count)


def raw_load(server: Running, model: str, datatype: str, file: Path, concurrency: int, seconds: float) -> Arm:
    """One measurement by benchmarks/serving/load.py, in a process of its own."""
    words = (server.grpc_url, model, datatype, str(file), str(concurrency), str(seconds))
    command = [sys.executable, "-m", "benchmarks.serving.load", *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60 + 2 * seconds)
    arm: Arm = json.loads(done.stdout)
    return arm


def medians(arms: Sequence[Mapping[str, float]]) -> Arm:
    """Of every figure."""
    return {key: rounded(statistics.median(arm[key] for arm in arms)) for key in arms[0]}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """The median of the ratios within a round, and all of them."""
    each = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {"median": round(statistics.median(each), 3), "rounds": [round(one, 3) for one in each]}


def best_of(arms: Sequence[Sequence[float]]) -> list[float]:
    """Of several ways of the same contender, the better one of each round."""
    return [max(each) for each in zip(*arms, strict=True)]


def rounded(value: float) -> float:
    """Three digits that matter."""
    return float(f"{value:.4g}")
