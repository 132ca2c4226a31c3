"""The deployment of a run: names of its models, and what publishing would refuse, refused before training."""

from __future__ import annotations

from pathlib import Path

from artifact.modes import BRANCH, FULL, MODES
from artifact.repository.publishing import require_model_name, require_publishable, to_model_name
from export.precision import FP32, precision_suffix
from trainer.config.config import TrainConfig

DEPLOYED = (BRANCH, FULL)
"""The modes that a run is published in."""


def default_name(run: Path, mode: str, precision: str = FP32) -> str:
    """A model name from a run folder's name; those of both modes differ in `_full` alone."""
    suffix = precision_suffix(precision)
    longest = max(len(each.suffix) for each in MODES.values())
    stem = to_model_name(run.resolve().name, room=len(suffix) + longest)
    return stem + suffix + MODES[mode].suffix


def deployed_names(run: Path, name: str | None) -> dict[str, str]:
    """{mode: model name} of what `deploy` publishes of a run folder; raises UsageError for one Triton would not take.

    Args:
        name: of the branch; None: the run folder's.
    """
    names = {mode: default_name(run, mode) if name is None else name + MODES[mode].suffix for mode in DEPLOYED}
    for each in names.values():
        require_model_name(each)
    return names


def served_limits(config: TrainConfig) -> dict[str, float | None]:
    """The limits of images that `publish` is told of a run: those that were chosen for it.

    One that was left at its default is None, and leaves what the model is served with: whoever raised it for real
    Triton would else lose it with the next run.
    """
    default = TrainConfig.model_fields
    chosen = {name: getattr(config, name) for name in ("max_megapixels", "max_image_mb")}
    return {name: None if value == default[name].default else value for name, value in chosen.items()}


def require_deployable(config: TrainConfig, run: Path, repository: Path, name: str | None) -> None:
    """Raise what publishing both artifacts would raise.

    Args:
        config: resolved: `dim`, `distance` and `size` are what will be trained.

    Raises:
        UsageError: a name that Triton would not take.
        RepositoryError: the repository cannot be written, or holds another model of the name or signature.
    """
    shape = {"kind": config.kind, "embedding_dim": config.dim, "distance": config.distance}
    shape |= {"height": config.size, "width": config.size, "fit": config.fit}
    for mode, model in deployed_names(run, name).items():
        require_publishable(repository, model, shape | {"mode": mode})
