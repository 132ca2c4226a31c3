"""The deployment of a run: names of its models, and what publishing would refuse, refused before training."""

from __future__ import annotations

from pathlib import Path

from artifact.attributes import Attributes
from artifact.kinds import ATTRIBUTES
from artifact.modes import BRANCH, FULL, MODES, OF_ATTRIBUTES, TOWERS
from artifact.repository.publishing import require_model_name, require_publishable, to_model_name
from export.precision import FP32, precision_suffix
from trainer.config.config import TrainConfig

DEPLOYED = (BRANCH, FULL)
"""The modes that a run is published in."""
DEPLOYED_TOWERS = (BRANCH, ATTRIBUTES, TOWERS)
"""The same of a run with two towers."""


def modes_of(*, has_towers: bool) -> tuple[str, ...]:
    """The modes that a run is published in."""
    return DEPLOYED_TOWERS if has_towers else DEPLOYED


def default_name(run: Path, mode: str, precision: str = FP32, *, has_towers: bool = False) -> str:
    """A model name from a run folder's name; those of the published modes differ in their suffix alone."""
    suffix = precision_suffix(precision)
    longest = max(len(MODES[each].suffix) for each in (*modes_of(has_towers=has_towers), mode))
    stem = to_model_name(run.resolve().name, room=len(suffix) + longest)
    return stem + suffix + MODES[mode].suffix


def deployed_names(run: Path, name: str | None, *, has_towers: bool = False) -> dict[str, str]:
    """{mode: model name} of what `deploy` publishes of a run folder; raises UsageError for one Triton would not take.

    Args:
        name: of the branch; None: the run folder's.
        has_towers: whether it has an attribute tower.
    """
    names = {
        mode: default_name(run, mode, has_towers=has_towers) if name is None else name + MODES[mode].suffix
        for mode in modes_of(has_towers=has_towers)
    }
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


def require_deployable(
    config: TrainConfig, run: Path, repository: Path, name: str | None, *, attributes: Attributes | None = None
) -> None:
    """Raise what publishing its artifacts would raise.

    Args:
        config: resolved: `dim`, `distance` and `size` are what will be trained.
        attributes: of a run with two towers.

    Raises:
        UsageError: a name that Triton would not take.
        RepositoryError: the repository cannot be written, or holds another model of the name or signature.
    """
    shape = {"kind": config.kind, "embedding_dim": config.dim, "distance": config.distance}
    shape |= {"height": config.size, "width": config.size, "fit": config.fit}
    for mode, model in deployed_names(run, name, has_towers=config.has_towers).items():
        of_rows = {"attributes": attributes.signature} if attributes is not None and mode in OF_ATTRIBUTES else {}
        require_publishable(repository, model, shape | {"mode": mode} | of_rows)
