"""Settings that were left open and are chosen: a run that goes on has those that it began with.

Decision a reader would question: they are read from its config.yaml and not chosen again. What is chosen follows from
images, network and a table of rates, and a later version may choose better; a run of before goes on as it was.
"""

from __future__ import annotations

from pathlib import Path

from artifact.errors import RunError
from trainer.config.config import TrainConfig
from trainer.run.folder import CONFIG
from trainer.run.saved_run import read_config

CHOSEN = ("base", "size", "pooling", "optimizer.learning_rate", "optimizer.base_rate", "freeze.epochs")
"""`name` or `group.name` of each."""


def as_begun(config: TrainConfig, output: Path) -> TrainConfig:
    """A configuration with what it leaves open of CHOSEN as the run in a folder has it; unchanged without such a run.

    A setting that is given stays as it is given: where it is another one, that is refused later and by its name.
    """
    if not (output / CONFIG).is_file():
        return config
    try:
        begun = read_config(output)
    except RunError:  # told where the run is read back
        return config
    for key in CHOSEN:
        group, _, name = key.rpartition(".")
        given, saved = (getattr(each, group) if group else each for each in (config, begun))
        if getattr(given, name) is not None:
            continue
        update = {name: getattr(saved, name)}
        config = config.model_copy(update={group: given.model_copy(update=update)} if group else update)
    return config
