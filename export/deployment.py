"""The deployment of a run that is still to be trained: what publishing would refuse after hours is refused before."""

from __future__ import annotations

from pathlib import Path

from artifact.repository.publishing import require_publishable
from export.names import deployed_names
from trainer.config.config import TrainConfig


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
