"""The description of an artifact for its user: key, engine, time; inputs and outputs with name, shape, type, label."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from artifact.model.file import read_manifest
from artifact.model.int8_scheme import older_scheme_note
from artifact.model.manifest import ENGINE, Manifest
from artifact.modes import Tensor


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
    """What it takes, in graph order."""
    return [_variable(tensor) for tensor in manifest.inputs]


def outputs_of(manifest: Manifest) -> list[Variable]:
    """The vectors and distances, in graph order."""
    return [_variable(tensor) for tensor in manifest.outputs]


def _variable(tensor: Tensor) -> Variable:
    shape = ", ".join("any" if length is None else str(length) for length in tensor.row_shape)
    return Variable(tensor.name, f"[N, {shape}]", tensor.datatype, tensor.label)
