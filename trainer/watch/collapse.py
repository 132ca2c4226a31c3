"""A guard against collapse: all images at one point, where no loss of distances has anything left to teach.

Decisions a reader would question:
- A point is a mean distance below a hundredth of the margin, and the loss that equal vectors would have. Exact zero is
  never reached: recorded collapses come to rest between 0.001 and 0.006 of the margin and stay there.
- Epochs that collapse and recover exist, so one batch says nothing; hundreds in a row do.
"""

from __future__ import annotations

from artifact.distances import DISTANCES
from artifact.errors import TrainingError
from artifact.losses import LOSSES
from trainer.config.config import TrainConfig
from trainer.config.rates import usual_rate
from trainer.config.settings import BALANCED

_POINT_SHARE = 0.01
"""Of the margin. Recorded: collapsed runs come to rest between 0.001 and 0.006, sound ones start at 0.5 and more."""


class CollapseGuard:
    """A guard that stops a run whose vectors have all been at one point for so many steps in a row.

    Feed it floats that are there anyway; every tenth step is often enough (`steps=10`), and costs no synchronisation
    with the device at the others.

    Attributes:
        collapsed_steps: how many steps in a row so far; a resumed run starts with what was saved.
    """

    def __init__(self, config: TrainConfig, *, collapsed_steps: int = 0) -> None:
        self.config, self.collapsed_steps = config, collapsed_steps

    def step(self, mean_distance: float, loss: float, *, steps: int = 1) -> None:
        """Take the mean distance between a batch's vectors and its loss; `steps` since the last call.

        Raises:
            TrainingError: all at one point for loop.max_collapsed_steps steps, with the settings to change.
        """
        self.collapsed_steps = self.collapsed_steps + steps if is_point(mean_distance, loss, self.config) else 0
        limit = self.config.loop.max_collapsed_steps
        if limit and self.collapsed_steps >= limit:
            raise TrainingError(
                f"collapse: all images have been at one point for {self.collapsed_steps} steps",
                expected=f"distances near {self.config.margin or 1.0:g}",
                got=f"a mean distance of {mean_distance:.2g} and a loss that stays at {loss:.4g}",
                mend="try " + " or ".join(collapse_advice(self.config)),
            )


def is_point(mean_distance: float, loss: float, config: TrainConfig) -> bool:
    """Whether a batch lies on one point: a mean distance next to nothing, and the loss that equal vectors would have.

    The loss is asked too, because early in a run with a margin of 1,000 every distance is small beside it.
    """
    margin = config.margin or 1.0
    if not mean_distance < _POINT_SHARE * margin:  # NaN is no point
        return False
    resting = resting_loss(config)
    return resting is None or abs(loss - resting) <= 0.1 * resting


def resting_loss(config: TrainConfig) -> float | None:
    """The loss of a batch whose vectors are all equal; None for a user's own loss."""
    loss = LOSSES.get(str(config.loss))
    if loss is None:
        return None
    return loss.resting_value(config.margins_of(loss))


def collapse_advice(config: TrainConfig) -> list[str]:
    """Settings that help against a collapse, the ones that this run has not got, most promising first."""
    mines = config.sampling.strategy == BALANCED
    ways = ["--mining all"] if mines and config.mining != "all" else []
    ways += [f"--set optimizer.learning_rate={lower_rate(config):g}"]
    ways += ["--distance euclidean"] if DISTANCES[config.distance].flat_at_zero else []
    ways += [] if config.normalize else ["--normalize"]
    return ways


def lower_rate(config: TrainConfig) -> float:
    """A learning rate to try where the one in use is too high: a tenth of it, or the usual one if that is lower."""
    return min(config.optimizer.peak / 10, usual_rate(config.optimizer.name))


def higher_rate(config: TrainConfig) -> float:
    """A learning rate to try where the one in use is too low: ten times it, or the usual one if that is higher."""
    return max(10 * config.optimizer.peak, usual_rate(config.optimizer.name))
