"""onnxruntime alone on the artifact's file: what a server could give at most, and what a request must take at least.

    python -m benchmarks.serving.alone FILE.onnx

In a process of its own, with threads that spin (its defaults), that sleep at once, and that spin for a moment, as those
of our server do. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import

import numpy as np
import onnxruntime

from artifact.images.cores import available_cores
from benchmarks.serving.networks import Array, pixels_of_photographs
from serving.sessions import SPIN_US

BATCHES = (1, 2, 4, 8, 16, 32)
_SECONDS = 1.5
_SPINNING: dict[str, dict[str, str]] = {
    "always": {},
    "never": {"allow_spinning": "0"},
    "for a moment": {"spin_duration_us": str(SPIN_US)},
}


def measure(file: Path) -> dict[str, Any]:
    """Images a second and a second of processor at the best of each, and the median of one image."""
    pixels = np.concatenate([pixels_of_photographs()] * 4)
    started = time.perf_counter()
    _session(file, available_cores(), "for a moment")
    load_s = time.perf_counter() - started
    per_s, per_cpu_s, one_ms = {}, {}, {}
    for threads in sorted({1, available_cores()}):
        for spinning in _SPINNING if threads > 1 else ("never",):
            session = _session(file, threads, spinning)
            name = f"{threads} threads, spinning {spinning}"
            for batch in BATCHES:
                took, cpu = _runs(session, pixels[:batch])
                per_s[f"{name}, batch {batch}"] = batch * len(took) / sum(took)
                per_cpu_s[f"{name}, batch {batch}"] = batch * len(took) / cpu
                if batch == 1:
                    one_ms[name] = 1000 * statistics.median(took)
    best_s, best_cpu = (max(table, key=lambda key, table=table: table[key]) for table in (per_s, per_cpu_s))
    return {
        "load_s": load_s,
        "images_per_s": per_s[best_s],
        "images_per_s_at": best_s,
        "images_per_cpu_s": per_cpu_s[best_cpu],
        "images_per_cpu_s_at": best_cpu,
        "one_ms": one_ms,
    }


def _session(file: Path, threads: int, spinning: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    for key, value in _SPINNING[spinning].items():
        options.add_session_config_entry(f"session.intra_op.{key}", value)
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _runs(session: onnxruntime.InferenceSession, batch: Array) -> tuple[list[float], float]:
    """Seconds of each run, and processor seconds of all."""
    for _ in range(3):
        session.run(None, {"image": batch})
    took: list[float] = []
    cpu = time.process_time()
    while sum(took) < _SECONDS or len(took) < 5:
        started = time.perf_counter()
        session.run(None, {"image": batch})
        took.append(time.perf_counter() - started)
    return took, time.process_time() - cpu


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
