"""Checks of settings against each other, each refused with the values that would work.

Apart from config.py so that the typed model stays readable; a new combination to refuse is a few lines here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from artifact.distances import DISTANCES
from artifact.errors import UsageError
from artifact.images.preprocessing import FITS
from artifact.kinds import KINDS
from artifact.listing import joined
from artifact.losses import LOSSES, Loss
from artifact.losses.loss import OTHER_CLASS
from artifact.losses.softmax import SOFTMAX
from artifact.nearest import nearest
from trainer.config.complaints import flag
from trainer.config.settings import BALANCED, ROUNDS, TUPLES, Settings

if TYPE_CHECKING:
    from trainer.config.config import TrainConfig

_OF_REGIONS = ("padding", "edge", "background", "boxes", "box_format", "box_unit")
_OF_CLASSES = ("classes_per_batch", "images_per_class")
_OF_ROUNDS = ("tuples_per_round", "epochs_per_round")


def check_choice(what: str, value: str, choices: Sequence[str], *, where: str) -> None:
    """Refuse a name that is not among the choices, with the nearest one."""
    if value in choices:
        return
    near = nearest(value, choices)
    mend = f"did you mean {near}?" if near is not None else None
    raise UsageError(what, expected=f"one of {', '.join(choices)}", got=repr(value), where=where, mend=mend)


def check_names(config: TrainConfig) -> None:
    """Kind, fit and distance must be known; raises UsageError."""
    check_choice("kind", config.kind, list(KINDS), where="--kind")
    check_choice("fit", config.fit, FITS, where="--set fit=...")
    check_choice("distance", config.distance, list(DISTANCES), where="--distance")


def nothing_to_train_on() -> UsageError:
    """The refusal to train without images."""
    expected = "a folder of images or a table to train on"
    mend = "with --epochs 0 the network is taken as it is, without images"
    return UsageError("IMAGES|TABLE", expected=expected, got="nothing", mend=mend)


def check_without_images(config: TrainConfig) -> None:
    """Images may be left out where nothing is trained, fitted or measured; raises UsageError."""
    if config.images is not None:
        return
    if config.is_trained:
        raise nothing_to_train_on()
    if config.head != "none":
        mend = "name images, or use --head none, which fits nothing"
        got = f"nothing, with --head {config.head}"
        raise UsageError("IMAGES|TABLE", expected="images to fit the head on", got=got, mend=mend)
    given = {
        "validation": config.validation,
        "columns": config.columns,
        "regions": config.regions.by,
        "catalogue": config.catalogue,
    }
    for name, value in given.items():
        if value:
            expected = "none, for there are no images"
            raise UsageError(f"{name} without IMAGES", expected=expected, got=str(value), where=f"--{name}")


def data_words(config: TrainConfig, *, is_tuples: bool, has_classes: bool = True) -> str:
    """What is trained on, as messages call it.

    Args:
        is_tuples: whether batches are of tuples of images, or of images with their rows of attributes.
        has_classes: whether images that are neither have classes.
    """
    if is_tuples:
        return "images with attributes" if config.has_towers else "a table of tuples"
    return "images with classes" if has_classes else "images without classes"


def check_idle(given: TrainConfig, *, loss: str) -> None:
    """Refuse settings that nothing would look at, with what it takes that something does; raises UsageError.

    Args:
        given: as the user wrote it; what is at its default says nothing.
        loss: name of the one in use.
    """
    of_towers = tuple(type(given.towers).model_fields)
    _refuse_idle(
        given,
        (given.regions.by is not None, "--regions crop beside it", "alone", "regions", _OF_REGIONS),
        (given.has_towers, "--attributes beside it", "alone", "towers", of_towers),
        (loss == SOFTMAX.name, f"--loss {SOFTMAX.name} beside it", f"for --loss {loss}", "towers", ("temperature",)),
    )


def told_untrained(given: TrainConfig) -> str | None:
    """The warning for settings of training in a run without a step; None where there are none.

    Loss and margin are left out where it follows from them whether vectors of a fitted head are normalised.

    Args:
        given: as the user wrote it.
    """
    if given.is_trained:
        return None
    decides_length = given.head != "none" and given.normalize is None
    names = [*(() if decides_length else ("loss", "margin", "margin2", "cap")), "mining"]
    keys = [flag(name) for name in names if getattr(given, name) is not None]
    for name, field in type(given.augment).model_fields.items():
        makes_classes = name in ("turns", "mirrors") and given.head != "none"  # which a head is fitted to
        if getattr(given.augment, name) != field.default and not makes_classes:
            keys.append(f"augment.{name}")
    return f"with --epochs 0 nothing is trained, and no vector depends on {joined(keys)}" if keys else None


def check_idle_sampling(given: TrainConfig, *, strategy: str) -> None:
    """Refuse settings of batches that are made otherwise, as `check_idle` does; raises UsageError.

    Args:
        given: as the user wrote it.
        strategy: how batches are made.
    """
    has_towers, of = given.has_towers, f"for sampling.strategy {strategy}"
    if strategy == TUPLES:
        of = f"for {data_words(given, is_tuples=True)}"
    has_tuples, of_tuples = strategy == ROUNDS or (strategy == TUPLES and not has_towers), ("tuples_per_batch",)
    _refuse_idle(
        given,
        (strategy == BALANCED, "sampling.strategy balanced", of, "sampling", _OF_CLASSES),
        (strategy == ROUNDS, "sampling.strategy rounds", of, "sampling", _OF_ROUNDS),
        (has_tuples, "sampling.strategy rounds, or a table of tuples", of, "sampling", of_tuples),
    )


def _refuse_idle(given: TrainConfig, *rules: tuple[bool, str, str, str, tuple[str, ...]]) -> None:
    """Rules are (whether they are looked at, expected, with what they came, group, names in it)."""
    for is_used, expected, beside, group, names in rules:
        settings: Settings = getattr(given, group)
        for name in () if is_used else names:
            value = getattr(settings, name)
            if value != type(settings).model_fields[name].default:
                key = f"{group}.{name}"
                raise UsageError(key, expected=expected, got=f"{value} {beside}", where=flag(key))


def check_choices(config: TrainConfig, loss: Loss, *, miners: Sequence[str], takers: Sequence[str]) -> None:
    """Combinations of names, of settings that are filled in, must make sense; raises UsageError."""
    name, mining = str(config.loss), str(config.mining)
    if config.kind not in loss.kinds:
        fitting = [other for other, value in LOSSES.items() if config.kind in value.kinds]
        raise UsageError(f"loss of a {config.kind} model", expected=" or ".join(fitting), got=name, where="--loss")
    what = f"mining for the loss {name}"
    if mining not in miners and takers:
        expected, mend = f"one of {', '.join(miners)}", f"it is for --loss {' or '.join(takers)}"
        raise UsageError(what, expected=expected, got=repr(mining), where="--mining", mend=mend)
    check_choice(what, mining, miners, where="--mining")
    _check_mining(loss, mining, miners, margin=config.margin)
    if loss.second_negative == OTHER_CLASS and (config.sampling.classes_per_batch or 3) < 3:
        raise UsageError(
            "classes in a batch of a quartet model",
            expected="at least 3 (anchor and two negatives are of different classes)",
            got=str(config.sampling.classes_per_batch),
            where="--set sampling.classes_per_batch=...",
        )
    for name in ("catalogue_path", "catalogue_id"):
        if config.catalogue is None and getattr(config, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(option, expected="--catalogue FILE beside it", got=repr(getattr(config, name)))
    if config.pretrained and config.weights is not None:
        raise UsageError("start weights", expected="--pretrained or weights, not both", got="both")


def _check_mining(loss: Loss, mining: str, miners: Sequence[str], *, margin: float | None) -> None:
    """Refuse a miner that finds nothing this loss could learn from; raises UsageError."""
    if mining == "easy" and loss.hinges == ("margin",):
        others = ", ".join(miner for miner in miners if miner != "easy")
        raise UsageError(
            f"mining for the loss {loss.name}",
            expected=f"one of {others}",
            got="easy, whose triplets all have loss 0",
            where="--mining",
        )
    if mining == "semi_hard" and margin == 0:
        raise UsageError(
            "margin with --mining semi_hard",
            expected="above 0, for semi-hard is less than a margin apart",
            got="0",
            where="--margin",
        )


def check_second_margin(given: TrainConfig, loss: Loss) -> None:
    """Refuse a second margin that the loss would not look at; raises UsageError.

    Args:
        given: as the user wrote it; or as config.yaml has it, where it is half of the margin whatever the loss.
        loss: in use.
    """
    margin, margin2 = given.margin, given.margin2
    if margin2 is None or "margin2" in loss.margin_names or (margin is not None and margin2 == margin / 2):
        return
    takers = [name for name, each in LOSSES.items() if "margin2" in each.margin_names]
    kinds = " or ".join(f"--kind {kind}" for kind in LOSSES[takers[0]].kinds)
    raise UsageError(
        f"margin2 of the loss {loss.name}",
        expected="none, for it has one margin",
        got=f"{margin2:g}",
        where="--set margin2=...",
        mend=f"{' or '.join(takers)} has two ({kinds})",
    )


def check_margins(config: TrainConfig, loss: Loss) -> None:
    """Margins that no network could meet, or that mean nothing, are refused with their bound; raises UsageError."""
    bound = DISTANCES[config.distance].largest(normalized=bool(config.normalize))
    has_second = "margin2" in loss.margin_names
    _check_cap(config, loss)
    for name, value in (("margin", config.margin), ("margin2", config.margin2 if has_second else None)):
        if value is None:
            continue
        where = "--margin" if name == "margin" else "--set margin2=..."
        if not (math.isfinite(value) and value >= 0):
            mend = f"what DLPy writes as {value:g} is {-value:g} here" if value < 0 else None
            raise UsageError(name, expected="a finite number, 0 or more", got=f"{value:g}", where=where, mend=mend)
        if bound is not None and value > bound:
            of = f"{'normalised ' if config.normalize else ''}vectors under the {config.distance} distance"
            raise UsageError(f"{name} for {of}", expected=f"at most {bound:g}", got=f"{value:g}", where=where)
    if loss.needs_margin and config.margin == 0:
        raise UsageError(f"margin of the {loss.name} loss", expected="above 0", got="0", where="--margin")
    margin, margin2 = config.margin, config.margin2
    if loss.needs_smaller_margin2 and margin is not None and margin2 is not None and margin2 >= margin:
        raise UsageError(
            f"margin2 of the {loss.name} loss",
            expected=f"below margin ({margin:g})",
            got=f"{margin2:g}",
            where="--set margin2=...",
        )


def _check_cap(config: TrainConfig, loss: Loss) -> None:
    """Refuse a cap that the loss does not have, or that leaves equal vectors without a gradient; raises UsageError."""
    if config.cap is None:
        return
    where = "--set cap=..."
    if "cap" not in loss.margin_names:
        takers = " or ".join(name for name, each in LOSSES.items() if "cap" in each.margin_names)
        expected = "none, for it has no largest value"
        raise UsageError(
            f"cap of the loss {loss.name}",
            expected=expected,
            got=f"{config.cap:g}",
            where=where,
            mend=f"use --loss {takers}",
        )
    if config.margin is not None and not config.cap > config.margin:
        expected = f"above margin ({config.margin:g}), which is the loss of equal vectors"
        raise UsageError(f"cap of the {loss.name} loss", expected=expected, got=f"{config.cap:g}", where=where)
