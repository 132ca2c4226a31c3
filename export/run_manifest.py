"""The manifest of a run's artifacts: what the run says of each of them, and the space that their vectors share."""

from __future__ import annotations

import hashlib
from typing import Any

import onnx

from artifact.kinds import KINDS
from artifact.losses import LOSSES
from artifact.model.file import content_hash
from artifact.model.manifest import OPSET, Manifest, canonical_json
from artifact.model.parts import Content
from export.precision import FP32, INT8
from trainer.config.head import NONE
from trainer.run.saved_run import Run

NOT_IN_MANIFEST = ("base", "threshold", "prefixes", "attributes", "passed_over", "left_out", "warnings")
"""Facts of a run with a field of their own, or that name files of whoever trained it."""


def manifest_of(run: Run, model: bytes, **facts: Any) -> Manifest:
    """The manifest of one of a run's artifacts; `facts` are what the run alone does not say, or says otherwise."""
    attributes = run.attributes
    of_run: dict[str, Any] = {
        "preprocessing": run.preprocessing.to_dict(),
        "threshold": run.threshold,
        "precision": FP32,
        "space": space_of(run),
        "attributes": [] if attributes is None else attributes.to_dict(),
    }
    return Manifest(
        kind=run.kind,
        streams=list(KINDS[run.kind].streams),
        embedding_dim=run.embedding_dim,
        distance=run.distance,
        normalized=run.normalized,
        margin=run.margin,
        loss=run.config.loss,
        base=run.base,
        training={k: v for k, v in run.facts.items() if k not in NOT_IN_MANIFEST} | _more_margins(run),
        opset=OPSET,
        content=Content(sha256=content_hash(model), size=len(model)),
        **(of_run | facts),
    )


def _more_margins(run: Run) -> dict[str, Any]:
    """{"margin2": ..., "cap": ...}, those that its loss takes; a user's own loss is not loaded to find out."""
    loss = LOSSES.get(run.config.loss or "")
    names = () if loss is None else loss.margin_names
    return {name: getattr(run.config, name) for name in names if name != "margin"}


def space_of(run: Run, precision: str = FP32, graph: onnx.ModelProto | None = None) -> str:
    """Hash of everything that decides a vector: weights, precision, preprocessing, normalisation; of int8 the branch
    graph too, since other images to calibrate on give other vectors."""
    facts: dict[str, Any] = {
        "checkpoint": run.checkpoint_sha256,
        "precision": precision,
        "preprocessing": run.preprocessing.to_dict(),
        "normalized": run.normalized,
    }
    if run.attributes is not None:
        facts["attributes"] = run.attributes.to_dict()
    if run.config.head == NONE:  # the checkpoint does not tell what is read off it
        facts |= {"features": {"base": run.config.network, "cut": run.config.cut, "pooling": run.config.pooling}}
    if precision == INT8 and graph is not None:
        facts["graph"] = content_hash(graph.SerializeToString(deterministic=True))
    return hashlib.sha256(canonical_json(facts)).hexdigest()
