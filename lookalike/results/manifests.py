"""A manifest as `describe` prints it: facts, then the variables as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from artifact.losses import TOWER_LOSSES
from artifact.model.description import inputs_of, outputs_of
from artifact.model.int8_scheme import older_scheme_note
from artifact.model.manifest import Manifest
from artifact.modes import DETECTIONS, OF_BOXES
from lookalike import console
from lookalike.progress import head_line
from lookalike.results.figures import metrics_line, threshold_line
from lookalike.results.prefixes import print_prefixes


def print_manifest(manifest: Manifest) -> None:
    """Print what a reader asks of an artifact, golden examples left out."""
    training = manifest.training
    console.print_facts(
        f"{manifest.name}: {manifest.kind}, {manifest.mode}",
        {
            "digest": manifest.digest,
            "space": manifest.space,
            "engine": f"onnx, opset {manifest.opset}, {manifest.precision}",
            "created": manifest.created,
            "embedding_dim": manifest.embedding_dim,
            "distance": manifest.distance + (", on the unit sphere" if manifest.normalized else ""),
            "threshold": threshold_line(manifest.threshold, training.get("why_no_threshold")),
            "loss": _loss(manifest),
            "preprocessing": manifest.preprocessing or None,
            "attributes": None if manifest.attribute_set is None else str(manifest.attribute_set),
            "base": manifest.base,
            "training": {key: value for key, value in training.items() if _is_plain(key, value)},
            **_boxes(manifest),
            "metrics": metrics_line(
                training.get("metrics"),
                training.get("rests_on"),
                of_trained=training.get("metrics_of_trained_layer") or (),
            ),
            "head": head_line(training.get("head")),
            "size": _size(manifest.content.size, manifest.content.external),
            "note": older_scheme_note(manifest),
        },
    )
    rows = [("input", *astuple(variable)) for variable in inputs_of(manifest)]
    rows += [("output", *astuple(variable)) for variable in outputs_of(manifest)]
    console.out.print()
    console.print_table(("variable", "name", "shape", "type", "label"), rows)
    if manifest.prefixes:
        console.out.print()
        print_prefixes(manifest)


def _boxes(manifest: Manifest) -> dict[str, Any]:
    """How boxes are sampled, or of a detector which values they are, what they mean and how many a picture has."""
    facts = manifest.training.get(manifest.mode)
    if manifest.mode not in OF_BOXES or not isinstance(facts, Mapping):
        return {}
    told = {("limit" if name == "most" else name): value for name, value in facts.items()}
    if manifest.mode == DETECTIONS:
        told = {"features": manifest.training.get("output"), **told}
    return {manifest.mode: told}


def _loss(manifest: Manifest) -> str | None:
    """With its margin, but for one of ours that has none."""
    if not manifest.loss:
        return None
    known = TOWER_LOSSES.get(manifest.loss)
    has_margin = known is None or bool(known.margin_names)
    return f"{manifest.loss}, margin {console.show(manifest.margin)}" if has_margin else manifest.loss


def _is_plain(name: str, value: Any) -> bool:
    return not isinstance(value, dict) and name not in ("why_no_threshold", "metrics_of_trained_layer")


def _size(model: int, external: Mapping[str, Any]) -> str:
    beside = "".join(f", {name} {facts.size} bytes" for name, facts in external.items())
    return f"{model} bytes{beside}"
