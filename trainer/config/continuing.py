"""The configuration of a run that goes on: what the command leaves open is as it was settled when the run began.

Decision a reader would question: open settings follow from versions, images and speeds that may be others now (default
epochs, what is held out, the steps of a time budget). So they are taken from config.yaml, not settled anew; what the
command does say is compared with it and refused by its name. Only what follows from the loss, as it always did, is
left to that: a miner counts as asked for where it is named. The precision `auto` is open too: what it was is filled in,
for the run may go on on another device.
"""

from __future__ import annotations

from typing import Any

from trainer.config.config import TrainConfig
from trainer.config.settings import Settings

_OF_THE_LOSS = ("mining", "margin", "margin2", "cap", "normalize")


def continued(given: TrainConfig, written: TrainConfig) -> TrainConfig:
    """The configuration of the command with its open settings as config.yaml has them.

    Args:
        given: as the user wrote it; a time budget gives way to the steps that were settled.
        written: what the run began with.
    """
    config = _filled(given, written)
    assert isinstance(config, TrainConfig)
    return config.model_copy(update={"minutes": None})


def _filled(given: Settings, written: Settings) -> Settings:
    update: dict[str, Any] = {}
    for name in type(given).model_fields:
        mine, theirs = getattr(given, name), getattr(written, name)
        if isinstance(mine, Settings):
            update[name] = _filled(mine, theirs)
        elif (mine is None and name not in _OF_THE_LOSS) or (name == "precision" and mine == "auto"):
            update[name] = theirs
    return given.model_copy(update=update)
