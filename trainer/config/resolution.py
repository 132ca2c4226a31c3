"""A resolved configuration: all that the user left open filled in, here and nowhere else.

Three steps, in the order in which things become known, so that what must be refused is refused before the next, slower
step: the settings by themselves, what the images turned out to be, and what was read of them. `prepare` in
trainer/loop/preparation.py takes them one after the other; everything later reads the result, which config.yaml holds.
Only the length of the run is settled after it, for a time budget takes a trial (length.py, trainer/loop/budget.py).

Decision a reader would question: the loss, and facts of data, network and device, come in as values. Nothing here opens
a file, imports a user's code or builds a network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from artifact.distances import DISTANCES, Distance
from artifact.errors import UsageError
from artifact.losses import DEFAULT_LOSSES, DEFAULT_TOWER_LOSSES, MARGIN_LOSSES, Loss
from trainer.config.checks import (
    check_choices,
    check_margins,
    check_second_margin,
    check_without_images,
    data_words,
)
from trainer.config.config import TrainConfig
from trainer.config.head import NONE, check_first_head, check_head, check_untrained_head, usual_first_head
from trainer.config.rates import Rates
from trainer.config.settings import BALANCED, ROUNDS, TUPLES, FreezeConfig, OptimizerConfig
from trainer.config.towers import COMBINATIONS, with_towers

Share = tuple[str, float]
"""(`images`, `classes`, `small_classes` or OPEN, share of them that is held out)."""

OPEN = "open"
"""Of a share: images, or whole classes where these are too small for that (trainer/data/open_split.py)."""

RANDOM_BASE = "conv4"
PRETRAINED_BASE = "tf_efficientnet_lite0"
"""What `--pretrained` alone means: small, quick on processors, and its weights come as a package too."""

_TARGET_BATCH = 100
_MAX_CLASSES = 25
_MIN_PER_CLASS = 4


def loss_name(config: TrainConfig) -> str:
    """The loss that was asked for; else the kind's default, or where a margin is given the one that it is of.

    A margin of 0.2 would leave the default loss of triplets, which is one of pairs, with hardly a gradient.
    """
    has_margin = config.margin is not None or config.margin2 is not None
    usual = DEFAULT_TOWER_LOSSES if config.has_towers else DEFAULT_LOSSES
    return config.loss or (MARGIN_LOSSES if has_margin else usual)[config.kind]


def resolve_settings(
    config: TrainConfig, loss: Loss, *, miners: Sequence[str], takers: Sequence[str] = ()
) -> TrainConfig:
    """The first step: base network, mining, normalisation and margins, which follow from settings and loss alone.

    Args:
        config: its names are known ones (`check_names`).
        loss: the one of `loss_name`.
        miners: names of those that fit the loss's form.
        takers: losses of the kind that take the miner which was asked for.

    Raises:
        UsageError: settings that make no sense together.
    """
    check_second_margin(config, loss)
    distance = DISTANCES[config.distance]
    normalize = config.normalize
    if normalize is None:
        normalize = config.has_towers or _normalize(config, loss, distance)
    margin = loss.default_margin(distance, normalized=normalize) if config.margin is None else config.margin
    filled = {
        "base": config.base or (PRETRAINED_BASE if config.pretrained else RANDOM_BASE),
        "loss": loss.name,
        "mining": config.mining or loss.mining,
        "margin": margin,
        "margin2": margin / 2 if config.margin2 is None else config.margin2,
        "cap": _cap(distance, margin, normalize) if config.cap is None and "cap" in loss.margin_names else config.cap,
        "normalize": normalize,
    }
    config = config.model_copy(update=filled)
    check_without_images(config)
    check_choices(config, loss, miners=miners, takers=takers)
    check_untrained_head(config)
    check_margins(config, loss)
    return with_towers(config)


def _cap(distance: Distance, margin: float, normalize: bool) -> float:
    """What leaves triplets without a pull that are wrong by half of the largest distance; by the margin without one."""
    bound = distance.largest(normalized=normalize)
    return margin + (margin if bound is None else bound / 2)


def _normalize(config: TrainConfig, loss: Loss, distance: Distance) -> bool:
    """Whether vectors are normalised where that was left open: as the loss wants, if unit vectors can meet the margin.

    DLPy's recipe asks for a margin of 3, and unit vectors are 2 apart at most. Features without a head stay as they
    are.
    """
    if config.head == NONE:
        return False
    bound = distance.largest(normalized=True)
    return loss.unit_length and (bound is None or config.margin is None or config.margin <= bound)


def read_validation(text: str | None) -> Share | Path | None:
    """What is held out: `images:0.1`, `classes:0.2`, `none` (None) or the path of a folder or table; None: open.

    `small_classes:0.3` is what a run writes whose open share passed classes over (trainer/data/split.py).

    Raises:
        UsageError: a share that is none, or a word that nobody could mean as a path.
    """
    if text is None:
        return OPEN, 0.1
    if text == "none":
        return None
    mode, colon, share = text.partition(":")
    try:
        value = float(share)
    except ValueError:
        value = math.nan
    if not colon or mode not in ("images", "classes", "small_classes", COMBINATIONS):
        if colon and not math.isnan(value):  # image:0.1 is no folder that anybody meant
            expected = "images:SHARE, classes:SHARE, combinations:SHARE (of attributes), none or a folder"
            raise UsageError("validation", expected=expected, got=repr(text), where="--validation")
        return Path(text)
    if not 0 < value < 1:
        raise UsageError("validation share", expected="a number between 0 and 1", got=repr(share), where="--validation")
    return mode, value


def choose_strategy(given: TrainConfig, *, is_tuples: bool, has_classes: bool = True) -> str:
    """The second step: how batches are made of images with classes, or of a table of tuples.

    Args:
        given: as the user wrote it: mining that was asked for is refused where nothing is mined, a default is not.
        is_tuples: whether the images are a table of tuples.
        has_classes: whether images that are in no tuples have classes.

    Returns:
        `balanced`, `rounds` or `tuples`.

    Raises:
        UsageError: a strategy, or another setting, that such images cannot have.
    """
    has_classes = has_classes and not is_tuples
    images = data_words(given, is_tuples=is_tuples, has_classes=has_classes)
    check_head(given, images=images, has_classes=has_classes)
    fitting = (TUPLES,) if is_tuples else (BALANCED, ROUNDS)
    strategy = given.sampling.strategy or fitting[0]
    if strategy not in fitting:
        raise UsageError(
            f"sampling strategy for {images}",
            expected=" or ".join(fitting),
            got=strategy,
            where="--set sampling.strategy=...",
        )
    for name, asked in (("turns", given.augment.turns), ("mirrors", given.augment.mirrors)):
        if not has_classes and asked:
            raise UsageError(
                f"augment.{name}",
                expected="images with classes, for it makes more of them",
                got=images,
                where=f"--set augment.{name}=...",
            )
    if given.mining is not None and strategy != BALANCED:
        expected = f"none, for tuples are drawn (sampling.strategy is {strategy})"
        raise UsageError("mining", expected=expected, got=given.mining, where="--mining")
    return strategy


def resolve(
    settings: TrainConfig,
    *,
    strategy: str,
    size: int,
    cut: int | str | None,
    pooling: str | None,
    num_features: int,
    rates: Rates,
    num_classes: int,
    metrics: Sequence[str],
    precision: str,
    validation: str | None = None,
) -> TrainConfig:
    """The last step: what follows from the images, the base network and the device.

    Args:
        settings: from `resolve_settings`.
        strategy: from `choose_strategy`.
        size: side of the base network's input in pixels.
        cut: its stages, or the layer that it ends behind, by its name where that is enough; None: whole.
        pooling: of its last map, None: its own.
        num_features: of it, which are the vectors where there is no head.
        rates: what such a network moves by.
        num_classes: classes that are trained on, turned and mirrored ones included.
        metrics: names of what will be measured on held-out images.
        precision: `fp32`, `bf16` or `fp16`.
        validation: what was held out of the images; None: as the settings say.

    Raises:
        UsageError: a metric to choose the best epoch by that is not measured on these images.
    """
    sampling: dict[str, object] = {"strategy": strategy}
    if strategy == BALANCED and settings.is_trained:
        sampling["classes_per_batch"], sampling["images_per_class"] = batch_shape(
            num_classes,
            classes_per_batch=settings.sampling.classes_per_batch,
            images_per_class=settings.sampling.images_per_class,
        )
    classes = num_classes if strategy != TUPLES else 0
    knows = rates.frozen_steps > 0
    first_head = settings.first_head or usual_first_head(settings, knows_something=knows, num_classes=classes)
    check_first_head(settings, num_classes=classes)
    keep, metric = _selection(settings, metrics)
    loop = {"precision": precision, "keep": keep, "metric": metric}
    return settings.model_copy(
        update={
            "size": size,
            "cut": cut,
            "pooling": pooling,
            "dim": num_features if settings.head == NONE else settings.dim,
            "first_head": first_head,
            "optimizer": _optimizer(settings.optimizer, rates),
            "freeze": _freeze(settings.freeze, rates),
            "validation": validation or settings.validation,
            "sampling": settings.sampling.model_copy(update=sampling),
            "loop": settings.loop.model_copy(update=loop),
        }
    )


def _optimizer(given: OptimizerConfig, rates: Rates) -> OptimizerConfig:
    """The rates that were left open."""
    peak = rates.of(given.name) if given.learning_rate is None else given.learning_rate
    base_rate = rates.base_rate if given.base_rate is None else given.base_rate
    return given.model_copy(update={"learning_rate": peak, "base_rate": base_rate})


def _freeze(given: FreezeConfig, rates: Rates) -> FreezeConfig:
    """Still statistics, where nothing is said; a run of before, which says nothing, has no such rates either."""
    is_still = given.statistics is None and rates.still_statistics
    return given.model_copy(update={"statistics": True}) if is_still else given


def batch_shape(num_classes: int, *, classes_per_batch: int | None, images_per_class: int | None) -> tuple[int, int]:
    """P and K where they are left open: about 100 images a batch, up to 25 classes, at least 4 images of each."""
    classes = min(num_classes, classes_per_batch or _MAX_CLASSES)
    return classes, images_per_class or max(_MIN_PER_CLASS, _TARGET_BATCH // max(classes, 1))


def _selection(settings: TrainConfig, metrics: Sequence[str]) -> tuple[str, str | None]:
    """Which epoch is kept, and the metric that it is chosen by; raises UsageError."""
    patience = settings.loop.patience
    keep = settings.loop.keep or ("best" if patience is not None else "last")
    metric = settings.loop.metric or (metrics[0] if metrics else None)
    if not settings.is_trained:  # there are no epochs to choose from
        return keep, metric
    if (keep == "best" or patience is not None) and metric not in metrics:
        raise UsageError(
            "metric to choose the best epoch by",
            expected=" or ".join(metrics) or "something held out",
            got=metric or "nothing is held out",
            where="--set loop.metric=...",
            mend="hold more out with --validation",
        )
    return keep, metric
