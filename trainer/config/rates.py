"""Rates: how fast, and from when on, the weights of a network move where the user did not say.

One table, by what is known of a network before training: its family, whether its weights were trained already, and
the optimizer. Nobody asks for a network's name. What each figure was measured on stands in docs/decisions/0026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer.config.config import TrainConfig
from trainer.config.head import LDA

Family = Literal["conv4", "convolutions", "patches", "own"]
"""Conv4; networks of timm whose features end in a map, and those that work on patches to the end; a user's own."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a run moves by.

    Attributes:
        adamw, sgd: peak of the learning rate under each optimizer, which is the embedding layer's.
        base_rate: the base network's rate as a multiple of it.
        still_statistics: whether batch normalisation of the base network keeps the statistics that it started with.
        frozen_steps: about so many steps, the first ones, in which the base network stands still: as many epochs as
            come nearest to it.
    """

    adamw: float
    sgd: float
    base_rate: float = 1.0
    still_statistics: bool = False
    frozen_steps: int = 0

    def of(self, optimizer: str) -> float:
        """The learning rate under an optimizer of that name."""
        return {"adamw": self.adamw, "sgd": self.sgd}[optimizer]


SMALL_NETWORK = Rates(adamw=1e-3, sgd=0.03)

RANDOM: dict[Family, Rates] = {
    "conv4": SMALL_NETWORK,
    "own": SMALL_NETWORK,
    "convolutions": Rates(adamw=3e-3, sgd=0.1),
    "patches": Rates(adamw=1e-3, sgd=0.03),
}
"""From random weights."""

TRAINED: dict[Family, Rates] = {
    "conv4": SMALL_NETWORK,
    "own": SMALL_NETWORK,
    "convolutions": Rates(adamw=1e-3, sgd=0.03, base_rate=0.1, still_statistics=True, frozen_steps=100),
    "patches": Rates(adamw=1e-3, sgd=0.03, base_rate=0.1, still_statistics=True, frozen_steps=100),
}
"""From weights that were trained: the embedding layer first, then the rest at a tenth of its rate.

Running means move by a hundredth a step in these networks. Statistics of our batches in training beside ImageNet's in
evaluation would be two networks for hundreds of steps.

Conv4 and a user's own network are no exception from anything here: what a local file does to them is the user's to say.
"""


def usual_rates(family: Family, *, trained: bool) -> Rates:
    """What such a network moves by."""
    return (TRAINED if trained else RANDOM)[family]


def with_frozen(config: TrainConfig, rates: Rates, *, per_epoch: int) -> TrainConfig:
    """The configuration with its frozen epochs filled in, where they were left open.

    As many whole epochs as come nearest to the steps; none of very long ones, nor where the embedding layer begins as a
    closed-form head. At least one epoch is left in which
    everything trains, where their number is known.

    Args:
        per_epoch: steps of an epoch.
    """
    if config.freeze.epochs is not None:
        return config
    frozen = 0 if config.first_head == LDA else round(rates.frozen_steps / per_epoch)
    if config.epochs is not None:
        frozen = max(0, min(frozen, config.epochs - 1))
    return config.model_copy(update={"freeze": config.freeze.model_copy(update={"epochs": frozen})})


def usual_rate(optimizer: str) -> float:
    """The learning rate that is tried first where nothing is known of a network."""
    return SMALL_NETWORK.of(optimizer)
