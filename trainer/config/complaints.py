"""Complaints about single settings: what pydantic refuses, in one line and in the words of this project."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from artifact.kinds import KINDS
from trainer.config.settings import Settings

_FLAGS = {
    name: f"--{name.removesuffix('_s').replace('_', '-')}"
    for name in (
        "kind",
        "base",
        "dim",
        "size",
        "epochs",
        "minutes",
        "loss",
        "distance",
        "normalize",
        "margin",
        "mining",
        "validation",
        "attributes",
        "negatives",
        "flipped_share",
        "pretrained",
        "seed",
        "cut",
        "pooling",
        "weights",
        "head",
        "columns",
        "catalogue",
        "catalogue_path",
        "catalogue_id",
        "fit",
        "max_megapixels",
        "max_image_mb",
        "read_timeout_s",
    )
}

_CHOICES = {"kind": f"one of {', '.join(KINDS)}"}
"""What a setting that must be given can be."""


def flag(key: str) -> str:
    """How the command line spells a setting: `--dim`, or `--set optimizer.name=...` where it has no option."""
    return _FLAGS.get(key, f"--set {key}=...")


def setting_keys(model: type[Settings]) -> list[str]:
    """Every key that `--set` takes: `epochs`, `optimizer.learning_rate`, ..."""
    keys = []
    for name, field in model.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, Settings):
            keys += [f"{name}.{inner}" for inner in group.model_fields]
        else:
            keys.append(name)
    return keys


def complaint(error: dict[str, Any], model: type[Settings]) -> str:
    """`dim: expected at most 4096, got 5000 (--dim)` from one of pydantic's error records."""
    key = ".".join(str(part) for part in error["loc"])
    got = "nothing" if error["type"] == "missing" else repr(error["input"])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, setting_keys(model), n=1, cutoff=0.0)[0]
        return f"setting {key!r}: expected a known one, got {got}; nearest: {near}"
    return f"{key}: expected {_expectation(error, model)}, got {got} ({flag(key)})"


def _expectation(error: dict[str, Any], model: type[Settings]) -> str:
    context = error.get("ctx", {})
    bounds = _bounds(error["loc"], model)
    match error["type"]:
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            return bounds or f"at least {context.get('ge', context.get('gt'))}"
        case "literal_error":
            return f"one of {str(context['expected']).replace(' or ', ', ')}"
        case "missing":
            return _CHOICES.get(".".join(map(str, error["loc"])), "a value")
        case "finite_number":
            joint = " in " if ".." in bounds else ", "
            return f"a finite number{joint + bounds if bounds else ''}"
        case kind:
            noun = {
                "int": "a whole number",
                "float": "a number",
                "bool": "true or false",
                "path": "a path",
                "string": "a text",
            }
            return noun.get(kind.split("_")[0], str(error["msg"]).removeprefix("Input should be ").strip())


def _bounds(location: Sequence[Any], model: Any) -> str:
    """`1..4096` or `at least 0` from the field's own constraints."""
    for part in location[:-1]:
        fields = getattr(model, "model_fields", {})
        model = fields[part].annotation if part in fields else None
    if location[-1] not in getattr(model, "model_fields", {}):  # an item of a list or a mapping
        return ""
    limits: dict[str, Any] = {}
    for constraint in model.model_fields[location[-1]].metadata:
        limits |= {name: getattr(constraint, name) for name in ("ge", "gt", "le", "lt") if hasattr(constraint, name)}
    for inner in get_args(model.model_fields[location[-1]].annotation):
        for constraint in getattr(inner, "__metadata__", ()):
            found = getattr(constraint, "metadata", [constraint])
            limits |= {name: getattr(c, name) for c in found for name in ("ge", "gt", "le", "lt") if hasattr(c, name)}
    low = limits.get("ge", f"above {limits['gt']}" if "gt" in limits else None)
    high = limits.get("le", f"below {limits['lt']}" if "lt" in limits else None)
    if low is None or high is None:
        return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""
    if isinstance(low, str):
        return f"{low}, at most {high}"
    return f"{low}..{high}" if not isinstance(high, str) else f"at least {low}, {high}"
