"""Facts of the objective in use, as they are told and recorded: loss, distance, margins, length of vectors, miner."""

from __future__ import annotations

from typing import Any

from artifact.losses import Loss
from trainer.config.config import TrainConfig
from trainer.config.settings import BALANCED


def objective_facts(config: TrainConfig, loss: Loss) -> dict[str, Any]:
    """What a run trains by.

    Args:
        config: resolved.
        loss: the one that it names.

    Returns:
        {"loss", "distance", the margins that the loss takes, "normalized", and "mining" where tuples are mined}.
    """
    margins = loss.margins(margin=config.margin or 0.0, margin2=config.margin2 or 0.0)
    mining = {"mining": config.mining} if config.sampling.strategy == BALANCED else {}
    return {
        "loss": loss.name,
        "distance": config.distance,
        **margins,
        "normalized": bool(config.normalize),
        **mining,
    }
