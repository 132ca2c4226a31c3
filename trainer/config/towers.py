"""Settings of two towers: what makes no sense beside attributes, or without them, and what was left open filled in.

Decisions a reader would question:
- Triplet and siamese models only: a quartet's second negative is of a third class, and rows of attributes have none.
- The embedding layer stays the trained one: another, fitted to the images alone, would leave the attribute tower where
  it was, in a space that is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifact.distances import DISTANCES
from artifact.errors import UsageError
from artifact.kinds import BRANCH_OUTPUT
from artifact.losses.softmax import SOFTMAX, TEMPERATURE
from trainer.config.checks import check_choice
from trainer.config.head import AUTO, TRAINED

if TYPE_CHECKING:
    from trainer.config.config import TrainConfig

OTHER, FLIPPED, MINED = "other", "flipped", "mined"
NEGATIVES = (OTHER, FLIPPED, MINED)
COMBINATIONS = "combinations"
"""A way to hold out: whole combinations of attributes, as `--validation combinations:0.2` has it."""

TOWER_METRICS = ("attribute_mAP", "attribute_P@10", "pct_correct_easy", "pct_correct_hard")
"""What is measured of two towers on held-out rows, the one to choose epochs by first."""

DEFAULT_NEGATIVES = OTHER
DEFAULT_FLIPPED_SHARE = 0.5
_KINDS = ("triplet", "siamese")


def num_flips(negatives: str | None) -> int:
    """K of `flipped:K`, 1 of `flipped` alone; 0 of the others."""
    name, _, number = (negatives or "").partition(":")
    return 0 if name != FLIPPED else int(number or 1)


def check_towers(config: TrainConfig) -> None:
    """Refuse settings of two towers that make no sense together, or without attributes; raises UsageError."""
    if not config.has_towers:
        _check_one_tower(config)
        return
    if len(set(config.attributes)) != len(config.attributes) or not all(config.attributes):
        got = ", ".join(map(repr, config.attributes))
        raise UsageError("attributes", expected="names of columns, each once", got=got, where="--attributes")
    if BRANCH_OUTPUT in config.attributes:
        expected, mend = "another name than that of the vectors in scored tables", "rename the column"
        raise UsageError("attribute", expected=expected, got=repr(BRANCH_OUTPUT), where="--attributes", mend=mend)
    if config.kind not in _KINDS:
        expected = "triplet or siamese: rows of attributes have no third class for a second negative"
        raise UsageError("kind of a model with attributes", expected=expected, got=config.kind, where="--kind")
    if not config.is_trained:
        raise UsageError("epochs with attributes", expected="1 or more, for their tower is trained", got="0")
    if config.head not in (AUTO, TRAINED):
        expected = "trained: another layer would leave the attributes in a space of before"
        raise UsageError("head of a model with attributes", expected=expected, got=config.head, where="--head")
    if config.mining is not None:
        mend = f"--negatives {MINED} takes the nearest row of a batch"
        raise UsageError("mining with attributes", expected="none", got=config.mining, where="--mining", mend=mend)
    if config.regions.by is not None:
        expected = "whole images, each with its row of attributes"
        raise UsageError("images with attributes", expected=expected, got="objects in them", where="--regions")
    if config.catalogue is not None:
        mend = "leave --catalogue away: a row names its image itself"
        got, where = "images with attributes", "--catalogue"
        raise UsageError("what a catalogue is for", expected="a table of tuples", got=got, where=where, mend=mend)
    odd = [role for role in config.columns if role != "image"]
    if odd:
        expected, got = "image alone, the others with --attributes", f"{odd[0]}={config.columns[odd[0]]}"
        raise UsageError("columns of a table with attributes", expected=expected, got=got, where="--columns")
    mode = (config.validation or "").partition(":")[0]
    if mode in ("classes", "small_classes"):
        expected = f"images:SHARE, {COMBINATIONS}:SHARE, none or a table"
        raise UsageError(
            "validation of attributes", expected=expected, got=str(config.validation), where="--validation"
        )
    _check_negatives(config)


def with_towers(config: TrainConfig) -> TrainConfig:
    """Negatives, their share and the temperature filled in where two towers are trained; length and loss are known."""
    if not config.has_towers:
        return config
    negatives = config.negatives or DEFAULT_NEGATIVES
    negatives = f"{FLIPPED}:1" if negatives == FLIPPED else negatives
    share = (config.flipped_share or DEFAULT_FLIPPED_SHARE) if num_flips(negatives) else None
    towers, bound = config.towers, DISTANCES[config.distance].largest(normalized=bool(config.normalize))
    if towers.temperature is None and config.loss == SOFTMAX.name:
        towers = towers.model_copy(update={"temperature": TEMPERATURE * (1.0 if bound is None else bound)})
    filled = {"negatives": negatives, "flipped_share": share, "towers": towers, "head": TRAINED}
    return config.model_copy(update=filled)


def _check_one_tower(config: TrainConfig) -> None:
    given = {"negatives": config.negatives, "flipped-share": config.flipped_share}
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"--{name}", expected="--attributes beside it", got=str(value))
    if config.loss == SOFTMAX.name:
        mend = "name columns with --attributes, or choose another loss"
        raise UsageError("loss softmax", expected="two towers", got="images alone", where="--loss", mend=mend)
    if (config.validation or "").startswith(f"{COMBINATIONS}:"):
        expected = "--attributes beside it: it is their combinations that are held out"
        raise UsageError("validation", expected=expected, got=str(config.validation), where="--validation")


def _check_negatives(config: TrainConfig) -> None:
    if config.negatives is not None:
        name, colon, number = config.negatives.partition(":")
        check_choice("negatives", name, NEGATIVES, where="--negatives")
        most = len(config.attributes)
        if colon and (name != FLIPPED or not number.isdecimal() or not 1 <= int(number) <= most):
            expected = f"{OTHER}, {MINED} or {FLIPPED}:K with K of 1..{most} attributes"
            raise UsageError("negatives", expected=expected, got=repr(config.negatives), where="--negatives")
    if config.flipped_share is not None and not num_flips(config.negatives):
        got = f"--negatives {config.negatives or DEFAULT_NEGATIVES}"
        raise UsageError("--flipped-share", expected=f"--negatives {FLIPPED}:K", got=got)
    is_usual = config.loss is None and config.margin is None and config.margin2 is None
    if config.negatives == MINED and (config.loss == SOFTMAX.name or (is_usual and config.kind == "triplet")):
        expected, mend = "a loss of tuples", "softmax looks at all rows of a batch; choose --loss triplet"
        raise UsageError("negatives mined", expected=expected, got="softmax", where="--negatives", mend=mend)
    if config.loss == SOFTMAX.name and config.margin:  # 0 is what config.yaml has of it
        expected, mend = "none, for it has no margin", "leave it away, or choose --loss triplet"
        raise UsageError("margin of the loss softmax", expected=expected, got=f"{config.margin:g}", mend=mend)
