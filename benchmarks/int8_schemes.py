"""Schemes of int8 beside each other: what each keeps of fp32, and what a processor without VNNI makes of it.

NETWORKS are trained for EPOCHS on one half of the emoji and judged on the symbols of the other half (2,850 pictures):
mean and worst cosine to fp32, and recall@1 as a paired difference with its interval. All schemes share the ranges of
one calibration. Where qemu is installed (benchmarks/emulated.py), every scheme also embeds some of the pictures on an
emulated processor with AVX2 and without VNNI, and the vectors are compared with those of this machine.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from artifact.arrays import Vectors
from artifact.images.decoding import Pixels
from benchmarks.emulated import PROCESSOR, embed_emulated, unavailable
from export.calibration import find_ranges, read_calibration
from export.gates import Gates, embed_images, judge
from export.graph import export_branch
from export.quantize import plan_quantization, quantize
from export.reduce import embedder
from lookalike.demo.emoji import write_emoji
from trainer import fit, make_config
from trainer.data.class_sets import open_class_folder
from trainer.data.images import read_images
from trainer.run.saved_run import Run

NETWORKS = ("resnet18", "mobilenetv3_small_100")
SIZE_PX, DIM, EPOCHS = 64, 64, 6
EMULATED_IMAGES = 64
_MB = 2**20


def schemes_of(graph: onnx.ModelProto, pixels: Pixels) -> dict[str, onnx.ModelProto]:
    """A branch graph in int8 by every scheme: `int8` is the one that export writes, the others are named by theirs.

    Args:
        graph: float32.
        pixels: uint8 [N, H, W, 3] to calibrate on.
    """
    plan = plan_quantization(graph)
    ranges = find_ranges(graph, plan.tensors, pixels)
    full_range = quantize(graph, plan, ranges, largest_weight=127)
    return {
        "int8": quantize(graph, plan, ranges),
        "u8s8": full_range,
        "u8u8": _moved(full_range, onnx.TensorProto.INT8, by=128, to=np.uint8),
        "s8s8": _moved(full_range, onnx.TensorProto.UINT8, by=-128, to=np.int8),
    }


def _moved(graph: onnx.ModelProto, kind: int, *, by: int, to: npt.DTypeLike) -> onnx.ModelProto:
    """The same graph with all constants of one 8-bit type, zero points among them, written as the other."""
    result = onnx.ModelProto()
    result.CopyFrom(graph)
    for tensor in result.graph.initializer:
        if tensor.data_type == kind:
            values = numpy_helper.to_array(tensor).astype(np.int16) + by
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(values, to), tensor.name))
    return result


def run() -> dict[str, Any]:
    """{"images", "networks": {network: {scheme: figures}}, "processor": the emulated one or why there is none}."""
    reason = unavailable()
    with tempfile.TemporaryDirectory() as folder:
        train, unseen = write_emoji(Path(folder))
        values = {"images": train, "kind": "triplet", "size": SIZE_PX, "dim": DIM, "epochs": EPOCHS}
        networks = {
            name: _measure(
                fit(make_config(values | {"base": name, "validation": "classes:0.05"}), Path(folder) / name),
                train,
                unseen,
                is_emulated=reason is None,
            )
            for name in NETWORKS
        }
    return {
        "size_px": SIZE_PX,
        "epochs": EPOCHS,
        "processor": f"{PROCESSOR}, emulated" if reason is None else f"none: {reason}",
        "networks": networks,
    }


def _measure(run: Run, train: Path, unseen: Path, *, is_emulated: bool) -> dict[str, Any]:
    graph = export_branch(run.branch, preprocessing=run.preprocessing)
    schemes = schemes_of(graph, read_calibration(train, run.preprocessing).pixels)
    images, _ = read_images(open_class_folder(unseen), run.preprocessing, max_cache_bytes=run.config.max_cache_mb * _MB)
    reference, *others = embed_images([embedder(each) for each in (graph, *schemes.values())], images)
    rows = np.linspace(0, len(images) - 1, EMULATED_IMAGES).round().astype(np.int64)
    there = embed_emulated(schemes, images.pixels(rows), timeout_s=1200) if is_emulated else {}
    figures = {}
    for scheme, vectors in zip(schemes, others, strict=True):
        verdict = judge(reference, vectors, images.labels, distance=run.distance, limits=Gates())
        figures[scheme] = {
            "cosine_mean": round(verdict.mean_cosine, 5),
            "cosine_min": round(verdict.min_cosine, 5),
            "recall@1_of_fp32": round(verdict.recall.reference, 4),
            "recall@1": round(verdict.recall.candidate, 4),
            "lost_points": round(100 * verdict.recall.lost, 2),
            "interval_points": [round(100 * end, 2) for end in (verdict.recall.low, verdict.recall.high)],
        }
        if scheme in there:
            figures[scheme]["without_vnni"] = _apart(vectors[rows], there[scheme])
    return {"images": len(images), "schemes": figures}


def _apart(here: Vectors, there: Vectors) -> dict[str, float]:
    """How far the vectors of two processors are from each other, float32 [N, n] both."""
    cosines = (here * there).sum(axis=1) / (np.linalg.norm(here, axis=1) * np.linalg.norm(there, axis=1))
    return {
        "largest_difference_over_largest_value": round(float(np.abs(here - there).max() / np.abs(here).max()), 5),
        "cosine_min": round(float(cosines.min()), 5),
    }
