"""Progressive resizing: which side the images of a step have, how far the run has come by then, how images change.

Decisions a reader would question:
- The share is of pixels, not of steps: small steps cost as many times less as they have fewer pixels, so it is about
  the share of the time, on any machine.
- The schedule of the learning rate moves by pixels as well. By steps it would be nearly over when the images become
  large, which are what the network is for.
- More steps want more change: stronger augmentation lost points where images were seen less often
  (docs/decisions/0003, 0028). So the two come together.
- Where a run may stop early by what it sees of held-out images, all its images have one size: these are looked at in
  full, and get worse and better with the size.
"""

from __future__ import annotations

from collections.abc import Callable

from artifact.errors import UsageError
from trainer.config.config import TrainConfig
from trainer.config.rates import Family
from trainer.config.settings import BALANCED, AugmentConfig, ProgressiveConfig

MIN_SIZE_PX = 48
"""Side of the input below which nothing is made smaller unless it is asked for."""

STRONG = AugmentConfig(
    rotate_deg=15,
    translate=0.1,
    scale=0.2,
    aspect=0.15,
    shear_deg=8,
    crop=0.6,
    brightness=0.3,
    contrast=0.3,
    saturation=0.4,
    hue=0.04,
)
"""How images change that are seen more often, where no change was asked for by name."""

_SHARE = 0.6
_SIDE = 0.625
_MULTIPLE = 8


def smaller_side(config: TrainConfig) -> int:
    """The side in pixels of what comes first, as it was asked for or as is usual; of a configuration with its size."""
    assert config.size is not None
    return config.progressive.size or max(_MULTIPLE, round(_SIDE * config.size / _MULTIPLE) * _MULTIPLE)


def is_usual(config: TrainConfig, family: Family, *, trained: bool) -> bool:
    """Whether a fresh run whose share was left open begins with smaller images, if its network takes them."""
    assert config.size is not None
    convolves = family in ("conv4", "convolutions") and not trained
    is_whole = config.loop.patience is None and not config.freeze.epochs
    return convolves and is_whole and config.sampling.strategy == BALANCED and config.size >= MIN_SIZE_PX


def with_progressive(config: TrainConfig, *, usual: bool, takes: Callable[[int], bool]) -> TrainConfig:
    """The configuration with its share, its smaller side and the changes of its images filled in.

    Args:
        config: resolved but for these.
        usual: from `is_usual`.
        takes: whether the network gives the same number of features of images of such a side; asked only where some
            are to be smaller.

    Raises:
        UsageError: a side that is not smaller, or that the network does not take.
    """
    asked = config.progressive
    share = asked.share if asked.share is not None else (_SHARE if usual or asked.size is not None else 0.0)
    none = config.model_copy(update={"progressive": ProgressiveConfig(share=0.0)})
    if not config.is_trained or not share:
        return none
    side, where = smaller_side(config), "--set progressive.size=..."
    assert config.size is not None
    if side >= config.size:
        raise UsageError("progressive.size", expected=f"less than {config.size} px", got=str(side), where=where)
    if not takes(side):
        if asked.size is None and asked.share is None:
            return none
        raise UsageError(
            "progressive resizing",
            expected="a base network that gives as many features of smaller images",
            got=f"{config.network}, which does not at {side} px",
            where=where,
            mend="use --set progressive.share=0",
        )
    augment = STRONG if usual and not config.augment.model_fields_set else config.augment
    return config.model_copy(update={"progressive": ProgressiveConfig(size=side, share=share), "augment": augment})


def pace(config: TrainConfig) -> float:
    """Pixels of a smaller image as a share of those of one in full; 1 where there are none."""
    side = config.progressive.size
    return 1.0 if not config.progressive.share or side is None else (side / config.size) ** 2  # type: ignore[operator]


def mean_pace(config: TrainConfig) -> float:
    """Pixels of a run as a share of those of as many steps in full."""
    share, of_small = config.progressive.share or 0.0, pace(config)
    return 1 / (share / of_small + 1 - share)


def smaller_steps(config: TrainConfig, num_steps: int) -> int:
    """How many steps, the first ones, see smaller images."""
    share = config.progressive.share or 0.0
    return round(num_steps * share * mean_pace(config) / pace(config))


def side_of_step(config: TrainConfig, step: int, num_steps: int) -> int | None:
    """Side in pixels of the images of a step (from 0); None: the input's."""
    return config.progressive.size if step < smaller_steps(config, num_steps) else None


def progress(config: TrainConfig, step: int, num_steps: int) -> float:
    """Steps in full that the pixels until this step (from 0) come to, if those of the whole run come to `num_steps`."""
    smaller = smaller_steps(config, num_steps)
    if not smaller:
        return step
    of_small = pace(config)
    done = of_small * min(step, smaller) + max(0, step - smaller)
    return done * num_steps / (of_small * smaller + num_steps - smaller)
