"""fp32 against fp16 and the schemes of int8: throughput of the artifact's own graphs.

Throughput: ResNet-18 and MobileNetV3-small at 224 px with random weights, for the time of a graph does not depend on
their values. Each round runs every graph once, in turn, on one batch, so that a busy machine slows all of them; the
ratio is that of the medians. Processor time is told beside it, since it is what other programs on the machine change
least. `int8` is what export writes; u8s8 (weights of all 8 bits, as before), u8u8 and s8s8 are what it was chosen over.
What they keep of fp32 is measured on trained networks (benchmarks/int8_schemes.py).
"""

from __future__ import annotations

import platform
import statistics
import time
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from artifact.images.cores import available_cores
from artifact.images.decoding import Pixels
from artifact.images.preprocessing import Preprocessing
from benchmarks.int8_schemes import NETWORKS, schemes_of
from export.graph import export_branch
from export.half import to_half
from serving.probe import probe_pixels
from trainer.networks.base_networks import branch_of, build_base

SIZE_PX = 224
EMBEDDING_DIM = 128
BATCHES = (1, 8)
ROUNDS = 25
_CALIBRATION = 32


def run() -> dict[str, Any]:
    """{"networks": {network: {batch: {precision: milliseconds, ratio, spread}}}, ...}."""
    return {
        "size_px": SIZE_PX,
        "threads": available_cores(),
        "rounds": ROUNDS,
        "machine": platform.machine(),
        "networks": {name: _measure(name) for name in NETWORKS},
    }


def _measure(name: str) -> dict[str, Any]:
    graphs = precisions_of(name)
    sessions = {precision: _session(graph) for precision, graph in graphs.items()}
    sizes = {precision: graph.ByteSize() for precision, graph in graphs.items()}
    return {"bytes": sizes, **{f"batch_{batch}": _rounds(sessions, batch) for batch in BATCHES}}


def precisions_of(name: str) -> dict[str, onnx.ModelProto]:
    """The branch graph of a network in every precision, int8 by every scheme."""
    torch.manual_seed(0)
    base = build_base(name, size=SIZE_PX)
    branch = branch_of(base, embedding_dim=EMBEDDING_DIM, normalize=False).eval()
    for module in branch.modules():  # statistics as after training
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)  # timm starts some at 0
    graph = export_branch(branch, preprocessing=Preprocessing(height=SIZE_PX, width=SIZE_PX))
    return {"fp32": graph, **schemes_of(graph, _pictures(_CALIBRATION)), "fp16": to_half(graph)}


def _rounds(sessions: dict[str, onnxruntime.InferenceSession], batch: int) -> dict[str, Any]:
    pixels = _pictures(batch)
    wall: dict[str, list[float]] = {precision: [] for precision in sessions}
    processor: dict[str, list[float]] = {precision: [] for precision in sessions}
    for turn in range(ROUNDS + 2):
        for precision, session in sessions.items():
            started, spent = time.perf_counter(), time.process_time()
            session.run(None, {"image": pixels})
            if turn >= 2:  # two rounds to warm up
                wall[precision].append(time.perf_counter() - started)
                processor[precision].append(time.process_time() - spent)
    base, base_processor = (statistics.median(times["fp32"]) for times in (wall, processor))
    return {
        precision: {
            "ms_per_image": round(1000 * statistics.median(wall[precision]) / batch, 3),
            "speed_over_fp32": round(base / statistics.median(wall[precision]), 2),
            "speed_over_fp32_by_round": _quartiles(
                [one / other for one, other in zip(wall["fp32"], wall[precision], strict=True)]
            ),
            "processor_ms_per_image": round(1000 * statistics.median(processor[precision]) / batch, 3),
            "processor_speed_over_fp32": round(base_processor / statistics.median(processor[precision]), 2),
        }
        for precision in sessions
    }


def _quartiles(values: list[float]) -> list[float]:
    return [round(value, 2) for value in statistics.quantiles(values, n=4)]


def _session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Threads and spinning as serving/engine.py sets them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _pictures(count: int) -> Pixels:
    return probe_pixels(np.random.default_rng(0), count, SIZE_PX, SIZE_PX)
