"""Reductions of the fp32 branch graph to a lower precision, with what the manifest says about them.

A new precision is a line in PRECISIONS and a function in REDUCTIONS here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from analysis.measures.threshold import decision_threshold
from artifact.arrays import Vectors
from artifact.events import Report
from artifact.images.decoding import Pixels
from artifact.kinds import BRANCH_INPUT
from artifact.model.int8_scheme import LARGEST_WEIGHT, SCHEME
from artifact.prefixes import cut
from export.calibration import find_ranges
from export.evaluation import Evidence, read_evidence
from export.gates import Embed, Gates, Verdict, embed_images, judge, require
from export.half import to_half
from export.parity import make_session
from export.precision import FP16, FP32, INT8, PRECISIONS
from export.quantize import Plan, plan_quantization, quantize, require_exact_sums
from trainer.run.saved_run import Run

METHOD = f"static QDQ: uint8 activations, int8 weights from -{LARGEST_WEIGHT} to {LARGEST_WEIGHT} per channel"


@dataclass(frozen=True, kw_only=True)
class Int8Settings:
    """Images for int8 and limits that it must keep; what is not given comes from the run.

    Attributes:
        calibration, evaluation: folders of images.
        limits: that the graph must keep.
        max_megapixels, max_image_mb: of the images in those folders, where they are larger than the run's.
    """

    calibration: Path | None = None
    evaluation: Path | None = None
    limits: Gates = field(default_factory=Gates)
    max_megapixels: float = 0.0
    max_image_mb: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ReducedGraph:
    """A branch graph of lower precision.

    Attributes:
        graph: uint8 `image` -> float32 `embedding`, as the fp32 one.
        threshold: the decision threshold for its vectors.
        prefixes: those of the run, with the thresholds for its vectors.
        quantization: for the manifest; None where nothing was measured.
        verdict: what the gates measured, or None.
    """

    graph: onnx.ModelProto
    threshold: dict[str, Any] | None
    prefixes: list[dict[str, Any]]
    quantization: dict[str, Any] | None = None
    verdict: Verdict | None = None


def reduce_half(run: Run, graph: onnx.ModelProto, settings: Int8Settings, *, report: Report) -> ReducedGraph:
    """fp16: float16 inside. The threshold stays: vectors move by a thousandth, parity sees to it."""
    return ReducedGraph(graph=to_half(graph), threshold=run.threshold, prefixes=run.prefixes)


def reduce_int8(run: Run, graph: onnx.ModelProto, settings: Int8Settings, *, report: Report) -> ReducedGraph:
    """int8: calibrated, judged, and with thresholds of its own; metrics stay those of the run.

    Raises:
        ArtifactError: nothing to quantise, or weights that some processors would compute otherwise with.
        ParityError: a gate is shut.
    """
    plan = plan_quantization(graph)  # before any image is read
    evidence = read_evidence(
        run,
        calibration=settings.calibration,
        evaluation=settings.evaluation,
        max_megapixels=settings.max_megapixels,
        max_image_mb=settings.max_image_mb,
        report=report,
    )
    quantized = quantize(graph, plan, find_ranges(graph, plan.tensors, evidence.calibration.pixels))
    require_exact_sums(quantized)
    reference, candidate = embed_images([embedder(graph), embedder(quantized)], evidence.evaluation)
    verdict = judge(reference, candidate, evidence.evaluation.labels, distance=run.distance, limits=settings.limits)
    require(verdict)
    labels, seed = evidence.evaluation.labels, run.config.seed
    keeps_classes = settings.evaluation is None  # the same images as the run's, so the same classes

    def find_threshold(vectors: Vectors, of_run: Mapping[str, Any] | None) -> dict[str, Any] | None:
        found = decision_threshold(vectors, labels, distance=run.distance, seed=seed)
        if found is None or not keeps_classes or "measured_on" not in (of_run or {}):
            return found
        return found | {"measured_on": dict(of_run or {})["measured_on"]}

    prefixes = []
    for prefix in run.prefixes:
        shorter = cut(candidate, int(prefix["dims"]), normalized=run.normalized)
        threshold = find_threshold(shorter, prefix.get("threshold"))
        kept = {key: value for key, value in prefix.items() if threshold is None or key != "why_no_threshold"}
        prefixes.append(kept | {"threshold": threshold})
    return ReducedGraph(
        graph=quantized,
        threshold=find_threshold(candidate, run.threshold),
        prefixes=prefixes,
        quantization=_facts(graph, plan, evidence, verdict),
        verdict=verdict,
    )


REDUCTIONS: dict[str, Callable[..., ReducedGraph]] = {FP16: reduce_half, INT8: reduce_int8}
if REDUCTIONS.keys() != PRECISIONS.keys() - {FP32}:
    raise ValueError("every precision but fp32 needs its function here, and no other")


def embedder(graph: onnx.ModelProto) -> Embed:
    """A branch graph as a function of pixels, uint8 [N, H, W, 3] -> float32 [N, n]."""
    session = make_session(graph.SerializeToString())

    def embed(pixels: Pixels) -> Vectors:
        return np.asarray(session.run(None, {BRANCH_INPUT: pixels})[0], np.float32)

    return embed


def _facts(graph: onnx.ModelProto, plan: Plan, evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    return {
        "method": METHOD,
        "scheme": SCHEME,
        "layers": {"int8": len(plan.nodes), "float": len(plan.skipped)},
        "calibration": {
            "num_images": len(evidence.calibration.pixels),
            "data_sha256": _hash(evidence.calibration.hashes),
        },
        "evaluation": {
            "source": evidence.source,
            "num_images": len(evidence.evaluation),
            "num_classes": len(evidence.evaluation.files.classes),
            "data_sha256": _hash(evidence.evaluation.hashes),
            "shared_with_calibration": evidence.num_shared,
        },
        "gates": verdict.to_dict(),
    }


def _hash(hashes: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
