"""The configuration of a training run: typed, frozen, saved whole as config.yaml beside the checkpoint.

Decision a reader would question: defaults that depend on other options (loss, margins, size, P and K) are None while
the user writes the configuration and are resolved once, before training (`TrainConfig.resolved`; those that
depend on the data in trainer/preparation.py), so the saved file holds every number that was used.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from artifact.errors import UsageError
from trainer.option_checks import check_choices, check_margins

MAX_DIM = 4096
MAX_SIZE_PX = 4096


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class SamplingConfig(_Options):
    """Shape of a batch: P classes with K images each.

    Attributes:
        classes_per_batch: P; None: as many as there are, up to 25.
        images_per_class: K; None: about 100 images a batch, at least 4 of each class.
        batches_per_epoch: None: as many as deal every image once.
    """

    classes_per_batch: int | None = Field(default=None, ge=2, le=4096)
    images_per_class: int | None = Field(default=None, ge=2, le=4096)
    batches_per_epoch: int | None = Field(default=None, ge=1)


class OptimizerConfig(_Options):
    """How the weights move.

    Attributes:
        name: `adamw`, or `sgd` with Nesterov momentum 0.9.
        learning_rate: peak, after the warm-up.
        weight_decay: decoupled; biases and normalisation layers are exempt.
        schedule: `cosine` to zero over the run, or `constant`; both after the warm-up.
        warmup_share: share of all steps in which the rate rises linearly.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0, le=100)
    weight_decay: float = Field(default=1e-4, ge=0, le=100)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_share: float = Field(default=0.05, ge=0, le=1)


class AugmentConfig(_Options):
    """Random changes of training images; all zero and no flip switches them off.

    Attributes:
        rotate_deg: up to this many degrees either way.
        translate: up to this share of the side, either way.
        scale: 0.1 is between 1/1.1 and 1.1 times as large.
        flip: mirror half of the images left to right.
    """

    rotate_deg: float = Field(default=10.0, ge=0, le=180)
    translate: float = Field(default=0.08, ge=0, le=0.5)
    scale: float = Field(default=0.1, ge=0, le=4)
    flip: bool = False

    @property
    def changes_anything(self) -> bool:
        return self.flip or max(self.rotate_deg, self.translate, self.scale) > 0


class TrainConfig(_Options):
    """Everything that decides a run.

    Attributes:
        images: folder with one folder of images per class.
        kind: `siamese`, `triplet` or `quartet`.
        base: a timm name, or `conv4`.
        dim: neurons of the embedding layer.
        size: side of the square input in pixels; None: what the base network was made for.
        fit: `stretch`, `crop` or `pad` (artifact/preprocessing.py).
        epochs: passes over the training images.
        loss: a name in trainer/losses.py; None: the kind's.
        distance: a name in trainer/distances.py; everything downstream uses it.
        normalize: put every vector on the unit sphere.
        margin: in units of the distance; None: the loss's default for that distance and normalisation.
        margin2: the quadruplet loss's second margin; None: half of `margin`.
        mining: a name in trainer/mining.py; None: the loss's.
        validation: `images:SHARE`, `classes:SHARE`, or a folder of class folders.
        pretrained: start from the base network's published weights (timm).
        weights: start from a local .safetensors, or .pt of plain tensors.
        seed: decides split, weights, batches and augmentation.
        max_bad_images: so many unreadable images are skipped; one more stops the run.
        max_cache_mb: decoded pixels kept in memory; the rest is read again for each batch.
    """

    images: Path
    kind: str
    base: str = "conv4"
    dim: int = Field(default=64, ge=1, le=MAX_DIM)
    size: int | None = Field(default=None, ge=8, le=MAX_SIZE_PX)
    fit: str = "stretch"
    epochs: int = Field(default=20, ge=1, le=100_000)
    loss: str | None = None
    distance: str = "euclidean"
    normalize: bool = False
    margin: float | None = None
    margin2: float | None = None
    mining: str | None = None
    validation: str = "images:0.1"
    pretrained: bool = False
    weights: Path | None = None
    seed: int = Field(default=0, ge=0, lt=2**32)
    max_bad_images: int = Field(default=0, ge=0)
    max_cache_mb: int = Field(default=1024, ge=0)
    sampling: SamplingConfig = SamplingConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    augment: AugmentConfig = AugmentConfig()

    def resolved(self) -> TrainConfig:
        """With loss and margins filled in and every combination checked; raises UsageError."""
        from trainer.losses import DEFAULT_LOSSES, LOSSES  # torch: only when a run is really meant

        check_choices(self)
        loss = self.loss or DEFAULT_LOSSES[self.kind]
        margin = LOSSES[loss].margins[self.distance, self.normalize] if self.margin is None else self.margin
        margin2 = margin / 2 if self.margin2 is None else self.margin2
        mining = self.mining or LOSSES[loss].mining
        config = self.model_copy(update={"loss": loss, "margin": margin, "margin2": margin2, "mining": mining})
        check_margins(config)
        return config


def make_config(values: Mapping[str, Any]) -> TrainConfig:
    """Build a configuration from plain values; what pydantic refuses becomes one UsageError of one line."""
    try:
        return TrainConfig.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError("; ".join(_complaint(dict(item)) for item in error.errors())) from None


def to_yaml(config: TrainConfig) -> str:
    """The whole configuration as YAML, in the order of the attributes."""
    text: str = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    return text


def with_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Apply `--set a.b=v` to plain values.

    Args:
        values: as for `make_config`; nested groups as mappings.
        overrides: each `key=value` or `group.key=value`; the value is read as YAML (0.001, true, null, text).

    Returns:
        A new dict; `values` is left alone.

    Raises:
        UsageError: no `=`, or a key that does not exist, with the nearest one that does.
    """
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    keys = setting_keys()
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        if not equals:
            raise UsageError("--set", expected="KEY=VALUE", got=repr(override))
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1, cutoff=0.0)
            raise UsageError("--set", expected="a known setting", got=repr(key), mend=f"nearest: {near[0]}")
        *groups, name = key.split(".")
        target = result.setdefault(groups[0], {}) if groups else result
        try:
            target[name] = _number(yaml.safe_load(text))
        except yaml.YAMLError:
            raise UsageError("--set", expected="a value of YAML", got=repr(override)) from None
    return result


def setting_keys() -> list[str]:
    """Every key that `--set` takes: `epochs`, `optimizer.learning_rate`, ..."""
    keys = []
    for name, field in TrainConfig.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, _Options):
            keys += [f"{name}.{inner}" for inner in group.model_fields]
        else:
            keys.append(name)
    return keys


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 as text; people mean the number."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return number if math.isfinite(number) else value
    return value


_FLAGS = {name: f"--{name.replace('_', '-')}" for name in (
    "kind", "base", "dim", "size", "epochs", "loss", "distance", "normalize", "margin", "mining", "validation",
    "pretrained", "seed",
)}  # fmt: skip


def flag(key: str) -> str:
    """How the command line spells a setting: `--dim`, or `--set optimizer.name=...` where it has no option."""
    return _FLAGS.get(key, f"--set {key}=...")


def _complaint(error: dict[str, Any]) -> str:
    """`dim: expected at most 4096, got 5000 (--dim)` from one of pydantic's error records."""
    key = ".".join(str(part) for part in error["loc"])
    got = "nothing" if error["type"] == "missing" else repr(error["input"])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, setting_keys(), n=1, cutoff=0.0)[0]
        return f"setting {key!r}: expected a known one, got {got}; nearest: {near}"
    return f"{key}: expected {_expectation(error)}, got {got} ({flag(key)})"


def _expectation(error: dict[str, Any]) -> str:
    context = error.get("ctx", {})
    bounds = _bounds(error["loc"])
    match error["type"]:
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            return bounds or f"at least {context.get('ge', context.get('gt'))}"
        case "literal_error":
            return f"one of {str(context['expected']).replace(' or ', ', ')}"
        case "missing":
            return "a value"
        case "finite_number":
            return f"a finite number{f' in {bounds}' if bounds else ''}"
        case kind:
            noun = {
                "int": "a whole number",
                "float": "a number",
                "bool": "true or false",
                "path": "a path",
                "string": "a text",
            }
            return noun.get(kind.split("_")[0], str(error["msg"]).removeprefix("Input should be ").strip())


def _bounds(location: Sequence[Any]) -> str:
    """`1..4096` or `at least 0` from the field's own constraints."""
    model: Any = TrainConfig
    for part in location[:-1]:
        model = model.model_fields[part].annotation
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
