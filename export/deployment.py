"""The deployment of a run that is still to be trained: what publishing would refuse after hours is refused before."""

from __future__ import annotations

from pathlib import Path

from artifact.kinds import BRANCH, FULL, FULL_SUFFIX, MODES
from artifact.repository.publishing import require_model_name, require_publishable
from export.build import default_name
from trainer.config.config import TrainConfig


def deployed_names(run: Path, name: str | None) -> dict[str, str]:
    """{mode: model name} of what `deploy` publishes of a run folder; raises UsageError for one Triton would not take.

    Args:
        name: of the branch; None: the run folder's.
    """
    if name is None:
        names = {mode: default_name(run, mode) for mode in MODES}
    else:
        names = {BRANCH: name, FULL: name + FULL_SUFFIX}
    require_model_name(names[BRANCH])
    return names


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
