"""Artifacts of a run: built in memory, written, published; nothing before parity holds, and same run, same bytes."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from artifact.errors import UsageError
from artifact.events import Report
from artifact.images.preprocessing import load_pixels
from artifact.kinds import KINDS
from artifact.losses import LOSSES
from artifact.model.file import append_manifest, content_hash
from artifact.model.golden import golden_images, make_golden
from artifact.model.manifest import OPSET, Content, Golden, Manifest, Prefix, canonical_json
from artifact.modes import FULL, MODES
from artifact.repository.publishing import publish, require_model_name
from artifact.repository.reading import PublishedModel
from export.deployment import default_name, deployed_names, served_limits
from export.gates import Verdict
from export.graph import export_branch
from export.join import join_streams
from export.parity import EmbedTensors, Parity, check_parity
from export.precision import FP32, INT8, PRECISIONS, scaled_tolerance
from export.reduce import REDUCTIONS, Int8Settings, embedder
from serving.check import check_artifact
from trainer.run.saved_run import Run

NOT_IN_MANIFEST = ("base", "threshold", "prefixes", "passed_over", "left_out", "warnings")
"""Facts of a run with a field of their own, or that name files of whoever trained it."""


@dataclass(frozen=True)
class Built:
    """An artifact in memory that has passed parity."""

    model: bytes
    manifest: Manifest
    parity: Parity
    verdict: Verdict | None = None

    def write(self, path: Path) -> Manifest:
        """Write the file whole or not at all, and check what was written as a user of it would."""
        sealed = append_manifest(path, self.model, self.manifest)
        check_artifact(path)
        return sealed


def build(
    run: Run,
    mode: str,
    *,
    name: str | None = None,
    precision: str = FP32,
    int8: Int8Settings | None = None,
    report: Report = lambda event: None,
    exported: onnx.ModelProto | None = None,
) -> Built:
    """Export a run in one mode and precision, and prove parity.

    Args:
        mode: `branch` or `full`.
        name: the artifact's name; default: the run folder's name, with `_fp16` or `_int8` behind it for another
            precision than fp32, and `_full` for a full artifact.
        precision: `fp32`, `fp16` or `int8`.
        int8: images and limits for int8; default: the run's own images.
        report: called with events of reading images.
        exported: the run's fp32 branch graph, where it was exported already; it is left alone.

    Raises:
        UsageError: a name that Triton would not take, an unknown precision.
        ArtifactError: the network cannot be exported, or has nothing to reduce.
        DataError: images for int8 that are missing, too few or unreadable.
        ParityError: the graph does not give the network's vectors, or int8 is too far from them.
    """
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
    if precision not in PRECISIONS:
        raise UsageError("precision", expected=f"one of {', '.join(PRECISIONS)}", got=repr(precision))
    name = name or default_name(run.path, mode, precision)
    require_model_name(name)
    network = run.branch.eval()
    graph = exported or export_branch(network, preprocessing=run.preprocessing)
    branch: EmbedTensors = network
    reduced = None
    if precision != FP32:
        reduced = REDUCTIONS[precision](run, graph, int8 or Int8Settings(), report=report)
        graph, branch = reduced.graph, _as_network(reduced.graph)
    if mode == FULL:
        graph = join_streams(graph, kind=run.kind, distance=run.distance, embedding_dim=run.embedding_dim)
    model = graph.SerializeToString(deterministic=True)
    parity = check_parity(
        branch if precision == INT8 else network,  # int8 was held against the network by its gates
        model,
        kind=run.kind,
        mode=mode,
        distance=run.distance,
        preprocessing=run.preprocessing,
        precision=precision,
    )
    manifest = Manifest(
        name=name,
        kind=run.kind,
        mode=mode,
        streams=list(KINDS[run.kind].streams),
        embedding_dim=run.embedding_dim,
        distance=run.distance,
        normalized=run.normalized,
        margin=run.margin,
        loss=run.config.loss,
        preprocessing=run.preprocessing.to_dict(),
        threshold=reduced.threshold if reduced else run.threshold,
        base=run.base,
        training={k: v for k, v in run.facts.items() if k not in NOT_IN_MANIFEST} | _second_margin(run),
        precision=precision,
        quantization=reduced.quantization if reduced else None,
        opset=OPSET,
        space=space_of(run, precision, reduced.graph if reduced else None),
        content=Content(sha256=content_hash(model), size=len(model)),
        golden=_golden(run, branch, precision),
        prefixes=[Prefix(**each) for each in (reduced.prefixes if reduced else run.prefixes)],
    )
    return Built(model, manifest, parity, reduced.verdict if reduced else None)


def _second_margin(run: Run) -> dict[str, Any]:
    """{"margin2": ...} where its loss takes one; a user's own loss is not loaded to find out."""
    loss = LOSSES.get(run.config.loss or "")
    return {"margin2": run.config.margin2} if loss is not None and "margin2" in loss.margin_names else {}


def _as_network(graph: onnx.ModelProto) -> EmbedTensors:
    """A branch graph as a function of torch's tensors."""
    embed = embedder(graph)
    return lambda pixels: torch.from_numpy(embed(pixels.numpy()))


def _golden(run: Run, branch: EmbedTensors, precision: str) -> Golden:
    """Golden images with the vectors of this very branch; with a tolerance of the vectors' own size if not fp32."""
    images = golden_images()
    pixels = np.stack([load_pixels(image, run.preprocessing) for image in images])
    with torch.no_grad():
        vectors = branch(torch.from_numpy(pixels)).numpy()
    golden, exactness = make_golden(images, vectors), PRECISIONS[precision]
    largest = float(np.abs(vectors).max())
    tolerance = scaled_tolerance(exactness.golden, largest, is_exact=exactness.is_exact)
    return golden.model_copy(update={"tolerance": tolerance})


def publish_built(
    built: Built, repository: Path, *, max_megapixels: float | None = None, max_image_mb: float | None = None
) -> PublishedModel:
    """Publish an artifact that was built as the next version of its name; the limits of images are `publish`'s."""
    with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
        file = Path(folder) / "model.onnx"
        built.write(file)
        return publish(file, repository, max_megapixels=max_megapixels, max_image_mb=max_image_mb)


def deploy(run: Run, repository: Path, *, name: str | None = None) -> list[tuple[Built, PublishedModel]]:
    """Publish a run in both modes, NAME and NAME_full, exported once; neither unless both pass parity.

    Raises:
        UsageError: a name that Triton would not take, before anything is exported; else as `build` and `publish`.
    """
    names = deployed_names(run.path, name)
    graph = export_branch(run.branch, preprocessing=run.preprocessing)
    built = [build(run, mode, name=each, exported=graph) for mode, each in names.items()]
    return [(each, publish_built(each, repository, **served_limits(run.config))) for each in built]


def space_of(run: Run, precision: str = FP32, graph: onnx.ModelProto | None = None) -> str:
    """Hash of everything that decides a vector: weights, precision, preprocessing, normalisation; of int8 the branch
    graph too, since other images to calibrate on give other vectors."""
    facts = {
        "checkpoint": run.checkpoint_sha256,
        "precision": precision,
        "preprocessing": run.preprocessing.to_dict(),
        "normalized": run.normalized,
    }
    if precision == INT8 and graph is not None:
        facts["graph"] = content_hash(graph.SerializeToString(deterministic=True))
    return hashlib.sha256(canonical_json(facts)).hexdigest()
