"""The towers that may stand beside the image tower, by the name of their input.

A new one, of text say, is a network in a file of its own and one line in TOWERS; its rows come from trainer/data, and
its artifact is a mode in artifact/modes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from artifact.attributes import Attributes
from artifact.kinds import ATTRIBUTES
from trainer.config.config import TrainConfig
from trainer.towers.attribute_tower import AttributeTower


def _attribute_tower(config: TrainConfig, attributes: Attributes) -> nn.Module:
    return AttributeTower(
        attributes.width,
        width=config.towers.width,
        embedding_dim=config.dim,
        normalize=bool(config.normalize),
    )


TOWERS: Mapping[str, Callable[[TrainConfig, Attributes], nn.Module]] = {ATTRIBUTES: _attribute_tower}


def make_towers(config: TrainConfig, attributes: Attributes | None) -> nn.ModuleDict:
    """The towers of a run besides its branch, by the name of their input; empty where it has one tower."""
    return nn.ModuleDict({} if attributes is None else {ATTRIBUTES: TOWERS[ATTRIBUTES](config, attributes)})
