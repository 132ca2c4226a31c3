"""The length of a run: epochs, steps or minutes, of which the user gives one at most; filled in from the other facts.

Decisions a reader would question:
- Small folders have epochs of few steps, and 20 of them are too few: the default is about 1,500 steps, 20 epochs at
  least. Of the smallest folders it is 200 epochs: more passes over a handful of images were measured to bring nothing
  (decision 0023).
- Smaller images (progressive.py) cost less, so there are more epochs of them for the same pixels.
- Steps are batches. The last epoch of so many steps ends early, and the schedule runs over exactly these.
"""

from __future__ import annotations

import math

from artifact.errors import UsageError
from trainer.config.config import MAX_EPOCHS, TrainConfig
from trainer.config.progressive import mean_pace

MIN_EPOCHS = 20
USUAL_STEPS = 1_500
MAX_USUAL_EPOCHS = 200
_LOOKS, _LOOKS_WITHIN_PATIENCE = 20, 5


def check_length(given: TrainConfig) -> None:
    """Refuse a time budget beside another length, and steps of a run without any; raises UsageError.

    Args:
        given: as the user wrote it.
    """
    for name, value, where in (("epochs", given.epochs, "--epochs"), ("steps", given.steps, "--set steps=...")):
        if given.minutes is not None and value is not None:
            raise UsageError(
                f"{name} with --minutes",
                expected="none, for the steps follow from the time",
                got=str(value),
                where=where,
                mend=f"leave {name} or minutes out",
            )
    if given.epochs == 0 and given.steps is not None:
        expected, where = "none, for 0 epochs have no step", "--set steps=..."
        raise UsageError("steps with --epochs 0", expected=expected, got=str(given.steps), where=where)


def usual_epochs(per_epoch: int, *, pace: float = 1.0) -> int:
    """Epochs where no length is given.

    Args:
        per_epoch: steps of each.
        pace: pixels of the run as a share of those in full images (progressive.py): as many more epochs as look at
            the same pixels.
    """
    least, steps = math.ceil(MIN_EPOCHS / pace), math.ceil(USUAL_STEPS / pace)
    return max(least, min(-(-steps // per_epoch), MAX_USUAL_EPOCHS))


def with_length(config: TrainConfig, *, per_epoch: int) -> TrainConfig:
    """The configuration with its epochs filled in, and how often what is held out is looked at.

    Args:
        config: without a time budget.
        per_epoch: steps of an epoch.

    Raises:
        UsageError: steps and epochs that do not agree, or steps of more epochs than there may be.
    """
    if config.steps is None:
        return _with_epochs(config, config.epochs or usual_epochs(per_epoch, pace=mean_pace(config)))
    epochs = -(-config.steps // per_epoch)
    an_epoch = f"of {per_epoch} steps each"
    if epochs > MAX_EPOCHS:
        expected = f"at most {MAX_EPOCHS * per_epoch} ({MAX_EPOCHS} epochs {an_epoch})"
        raise UsageError("steps", expected=expected, got=str(config.steps), where="--set steps=...")
    if config.epochs not in (None, epochs):
        expected = f"{epochs} {an_epoch}, or left out"
        raise UsageError(f"epochs of {config.steps} steps", expected=expected, got=str(config.epochs), where="--epochs")
    return _with_epochs(config, epochs)


def _with_epochs(config: TrainConfig, epochs: int) -> TrainConfig:
    every = config.loop.validate_every or validation_cadence(epochs, patience=config.loop.patience)
    return config.model_copy(
        update={"epochs": epochs, "loop": config.loop.model_copy(update={"validate_every": every})}
    )


def validation_cadence(epochs: int, *, patience: int | None) -> int:
    """Epochs between two looks at what is held out, where that is left open: 20 looks a run, five within patience.

    It follows from the settings and not from a clock: the epochs that are validated decide which one is kept, when
    patience ends and what is hinted, and a run that goes on must come to the same.
    """
    every = max(1, math.ceil(epochs / _LOOKS))
    return every if patience is None else min(every, max(1, patience // _LOOKS_WITHIN_PATIENCE))


def steps_of_epoch(config: TrainConfig, epoch: int, *, per_epoch: int) -> int:
    """Steps of an epoch (from 0): all of them, but of the last one where the steps are given."""
    return per_epoch if config.steps is None else min(per_epoch, config.steps - epoch * per_epoch)


def num_epochs(config: TrainConfig) -> int:
    """Epochs of a run whose length is filled in."""
    assert config.epochs is not None
    return config.epochs
