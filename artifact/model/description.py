"""The description of an artifact for its user: key, engine, time; inputs and outputs with name, shape, type, label."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from artifact.kinds import BRANCH_OUTPUT, KINDS, distance_name, embedding_name
from artifact.model.file import read_manifest
from artifact.model.int8_scheme import older_scheme_note
from artifact.model.manifest import ENGINE, Manifest


@dataclass(frozen=True)
class Variable:
    """An input or output: shape with N for the batch, type in the protocol's words, label for people."""

    name: str
    shape: str
    type: str
    label: str


def describe(path: Path) -> dict[str, Any]:
    """Describe an artifact file without reading its weights: the manifest without goldens, engine, time and variables.

    Raises:
        ArtifactError: no such file, or not an artifact.
    """
    return describe_manifest(read_manifest(path))


def describe_manifest(manifest: Manifest) -> dict[str, Any]:
    """`describe` of a manifest that is already read; with a `note` where there is something to mend."""
    note = older_scheme_note(manifest)
    described = manifest.summary() | {
        "engine": ENGINE,
        "created": manifest.created,
        "inputs": [asdict(variable) for variable in inputs_of(manifest)],
        "outputs": [asdict(variable) for variable in outputs_of(manifest)],
    }
    return described | ({"note": note} if note else {})


def inputs_of(manifest: Manifest) -> list[Variable]:
    """The image inputs, in graph order."""
    height, width, color = (manifest.preprocessing.get(key) for key in ("height", "width", "color"))
    shape, label = f"[N, {height}, {width}, 3]", f"{color} pixels"
    streams = [label] if manifest.is_branch else [f"{label} of the {name}" for name in manifest.inputs]
    return [Variable(name, shape, "UINT8", each) for name, each in zip(manifest.inputs, streams, strict=True)]


def outputs_of(manifest: Manifest) -> list[Variable]:
    """The vectors and distances, in graph order."""
    kind = KINDS[manifest.kind]
    labels = {BRANCH_OUTPUT: "vector of the image"}
    labels |= {embedding_name(stream): f"vector of the {stream}" for stream in kind.streams}
    labels |= {distance_name((a, b)): f"{manifest.distance} distance of {a} and {b}" for a, b in kind.pairs}
    return [Variable(name, f"[N, {width}]", "FP32", labels[name]) for name, width in manifest.outputs.items()]
