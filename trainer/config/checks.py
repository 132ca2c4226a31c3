"""Checks of options against each other, each refused with the values that would work.

Apart from config.py so that the typed model stays readable; a new combination to refuse is a few lines here.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from artifact.distances import DISTANCES
from artifact.errors import UsageError
from artifact.kinds import KINDS
from artifact.losses import DEFAULT_LOSSES, LOSSES, Loss
from artifact.losses.loss import OTHER_CLASS
from artifact.preprocessing import FITS

if TYPE_CHECKING:
    from trainer.config.config import TrainConfig


def check_choice(what: str, value: str, choices: Sequence[str], *, where: str) -> None:
    """Refuse a name that is not among the choices, with the nearest one."""
    if value in choices:
        return
    near = difflib.get_close_matches(value, choices, n=1)
    mend = f"did you mean {near[0]}?" if near else None
    raise UsageError(what, expected=f"one of {', '.join(choices)}", got=repr(value), where=where, mend=mend)


def check_choices(config: TrainConfig) -> None:
    """Names that must be known, and combinations of them that must make sense; raises UsageError."""
    from trainer.objective.mining import MINERS
    from trainer.objective.own_loss import find_loss

    check_choice("kind", config.kind, list(KINDS), where="--kind")
    check_choice("fit", config.fit, FITS, where="--set fit=...")
    check_choice("distance", config.distance, list(DISTANCES), where="--distance")
    name = config.loss or DEFAULT_LOSSES[config.kind]
    loss = find_loss(name)
    if config.kind not in loss.kinds:
        fitting = [other for other, value in LOSSES.items() if config.kind in value.kinds]
        raise UsageError(f"loss of a {config.kind} model", expected=" or ".join(fitting), got=name, where="--loss")
    if config.mining is not None:
        check_choice(f"mining for the loss {name}", config.mining, MINERS[loss.form], where="--mining")
        _check_mining(config, loss, config.mining, MINERS[loss.form])
    if loss.second_negative == OTHER_CLASS and (config.sampling.classes_per_batch or 3) < 3:
        raise UsageError(
            "classes in a batch of a quartet model",
            expected="at least 3 (anchor and two negatives are of different classes)",
            got=str(config.sampling.classes_per_batch),
            where="--set sampling.classes_per_batch=...",
        )
    if config.pretrained and config.weights is not None:
        raise UsageError("start weights", expected="--pretrained or weights, not both", got="both")
    check_validation(config.validation)


def _check_mining(config: TrainConfig, loss: Loss, mining: str, miners: Sequence[str]) -> None:
    """Refuse a miner that finds nothing this loss could learn from; raises UsageError."""
    if mining == "easy" and loss.hinges == ("margin",):
        others = ", ".join(miner for miner in miners if miner != "easy")
        raise UsageError(
            f"mining for the loss {loss.name}",
            expected=f"one of {others}",
            got="easy, whose triplets all have loss 0",
            where="--mining",
        )
    margin = config.margin if config.margin is not None else default_margin(config)
    if mining == "semi_hard" and margin == 0:
        raise UsageError(
            "margin with --mining semi_hard",
            expected="above 0, for semi-hard is less than a margin apart",
            got="0",
            where="--margin",
        )


def default_margin(config: TrainConfig) -> float:
    """The margin of the loss for this distance and normalisation."""
    from trainer.objective.own_loss import find_loss

    loss = find_loss(config.loss or DEFAULT_LOSSES[config.kind])
    normalized = default_normalize(config, loss) if config.normalize is None else config.normalize
    return loss.default_margin(DISTANCES[config.distance], normalized=normalized)


def default_normalize(config: TrainConfig, loss: Loss) -> bool:
    """Whether vectors are normalised where that was left open: as the loss wants, if unit vectors can meet the margin.

    DLPy's recipe asks for a margin of 3, and unit vectors are 2 apart at most.
    """
    bound = DISTANCES[config.distance].largest(normalized=True)
    return loss.unit_length and (bound is None or config.margin is None or config.margin <= bound)


def check_validation(text: str) -> tuple[str, float] | Path | None:
    """Read `images:0.1`, `classes:0.2`, `none` (None) or the path of a folder or table; raises UsageError."""
    if text == "none":
        return None
    mode, colon, share = text.partition(":")
    try:
        value = float(share)
    except ValueError:
        value = math.nan
    if not colon or mode not in ("images", "classes"):
        if colon and not math.isnan(value):  # image:0.1 is no folder that anybody meant
            expected = "images:SHARE, classes:SHARE, none or a folder"
            raise UsageError("validation", expected=expected, got=repr(text), where="--validation")
        return Path(text)
    if not 0 < value < 1:
        raise UsageError("validation share", expected="a number between 0 and 1", got=repr(share), where="--validation")
    return mode, value


def check_margins(config: TrainConfig) -> None:
    """Margins that no network could meet, or that mean nothing, are refused with their bound; raises UsageError."""
    from trainer.objective.own_loss import find_loss

    bound = DISTANCES[config.distance].largest(normalized=bool(config.normalize))
    loss = find_loss(str(config.loss))
    has_second = "margin2" in loss.margin_names
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
