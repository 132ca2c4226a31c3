"""Facts of the objective in use, as they are told and recorded: loss, distance, margins, length of vectors, miner."""

from __future__ import annotations

from typing import Any

from artifact.losses import Loss
from artifact.losses.softmax import SOFTMAX
from trainer.config.config import TrainConfig
from trainer.config.settings import BALANCED


def objective_facts(config: TrainConfig, loss: Loss) -> dict[str, Any]:
    """What a run trains by.

    Args:
        config: resolved.
        loss: the one that it names.

    Returns:
        {"loss", "distance", the margins that the loss takes, "normalized", and "mining" where tuples are mined, or of
        two towers "negatives", "flipped_share", "both_ways" and "temperature"}.
    """
    mining: dict[str, Any] = {"mining": config.mining} if config.sampling.strategy == BALANCED else {}
    if config.has_towers:
        mining = {"negatives": config.negatives, "both_ways": config.towers.both_ways}
        mining |= {} if config.flipped_share is None else {"flipped_share": config.flipped_share}
        mining |= {"temperature": config.towers.temperature} if loss.name == SOFTMAX.name else {}
    return {
        "loss": loss.name,
        "distance": config.distance,
        **config.margins_of(loss),
        "normalized": bool(config.normalize),
        **mining,
    }
