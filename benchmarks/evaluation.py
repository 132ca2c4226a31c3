"""Evaluation of 100,000 vectors of 128 dims, and of 5,000 beside pytorch-metric-learning.

Each large case is a fresh process: seconds of wall and processor, and its peak memory. The small case is measured in
one process in interleaved rounds, and the values must be equal.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from benchmarks.hardware import peak_mib

NUM_ROWS, DIMS = 100_000, 128
CASES = {"10000 classes of 10": (10_000, 1.5), "100 classes of 1000": (100, 3.0), "10 classes of 10000": (10, 4.0)}
"""Classes, and the spread of a class in units of the spread of their centres: hard enough that ranks are mixed."""

SMALL_ROWS, SMALL_CLASSES = 5_000, 500
ROUNDS = 5
TOLERANCE = 1e-5

Rows = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def run() -> dict[str, Any]:
    large = {}
    for name in CASES:
        for measured in ("retrieval", "verification"):
            command = [sys.executable, "-m", "benchmarks.evaluation", name, measured]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            large[f"{name}, {measured}"] = json.loads(printed)
    return {"rows": NUM_ROWS, "dims": DIMS, **large, "beside_pytorch_metric_learning": _beside_reference()}


def clustered(num_rows: int, num_classes: int, spread: float, *, seed: int = 0) -> Rows:
    """Normal classes around normal centres, of length 1, in mixed order: float32 [num_rows, DIMS], int64 [num_rows]."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(num_rows) % num_classes)
    vectors = rng.standard_normal((num_classes, DIMS), np.float32)[labels]
    vectors += np.float32(spread) * rng.standard_normal((num_rows, DIMS), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, labels


def measure(case: str, measured: str) -> dict[str, Any]:
    """One case in this process."""
    from analysis.measures.retrieval import retrieval_metrics
    from analysis.measures.verification import verification_metrics

    vectors, labels = clustered(NUM_ROWS, *CASES[case])
    started, used = time.perf_counter(), time.process_time()
    if measured == "retrieval":
        found = retrieval_metrics(vectors, labels, distance="euclidean", ks=(1, 10), bootstrap=200)
    else:
        found = verification_metrics(vectors, labels, distance="euclidean") or {}
        found.pop("roc")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(time.process_time() - used, 1),
        "peak_mib": round(peak_mib()),
        "found": {name: round(value, 5) if isinstance(value, float) else value for name, value in found.items()},
    }


def _beside_reference() -> dict[str, Any]:
    """precision at 1 and mAP@R, and mAP besides, of both libraries: medians of seconds, and their ratios."""
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    from analysis.measures import retrieval

    vectors, labels = clustered(SMALL_ROWS, SMALL_CLASSES, 1.5)
    tensors = torch.from_numpy(vectors), torch.from_numpy(labels)
    names = {"precision_at_1": "P@1", "mean_average_precision_at_r": "mAP@R"}
    result: dict[str, Any] = {"rows": SMALL_ROWS, "classes": SMALL_CLASSES, "rounds": ROUNDS}
    for title, added, k in (
        ("mAP@R", {}, "max_bin_count"),
        ("mAP@R and mAP", {"mean_average_precision": "mAP"}, SMALL_ROWS - 1),
    ):
        calculator = AccuracyCalculator(include=(*names, *added), k=k, device=torch.device("cpu"))
        seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            theirs = calculator.get_accuracy(*tensors)
            between = time.perf_counter()
            with patch.object(retrieval, "MAP_COMPARISONS", retrieval.MAP_COMPARISONS if added else 0):  # of one query
                ours = retrieval.retrieval_metrics(vectors, labels, distance="euclidean")
            seconds["theirs"].append(between - started)
            seconds["ours"].append(time.perf_counter() - between)
        for their_name, name in (names | added).items():
            if abs(ours[name] - theirs[their_name]) > TOLERANCE:
                raise ValueError(f"{name}: {ours[name]} here, {theirs[their_name]} there")
        medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
        result[title] = {f"{name}_s": round(value, 3) for name, value in medians.items()}
        result[title]["ratio"] = round(medians["theirs"] / medians["ours"], 2)
    return result


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
