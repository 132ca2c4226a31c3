"""The head's settings resolved: which head, and how many training classes are set aside from training to choose it on.

The words of heads are here and nowhere else, but for the type of the setting (config.py).

Decision a reader would question: only `auto` and `lda` set classes aside, and only where there are forty or more. Of
fewer, a tenth would be too few to tell two heads apart, and training would miss what it gives up.
"""

from __future__ import annotations

from artifact.errors import UsageError
from trainer.config.config import TrainConfig

MIN_CLASSES = 40
"""Training classes below which nothing is set aside unless it is asked for."""

_SHARE = 0.1
_FEWEST, _MOST = 8, 60
TRAINED, LDA, PCA, AUTO, NONE = "trained", "lda", "pca", "auto", "none"


MIN_LDA_CLASSES = 8
"""Of fewer classes LDA is the worse head for others (docs/decisions/0027)."""

RANDOM = "random"
"""The first embedding layer where it is none by a formula."""


def usual_first_head(config: TrainConfig, *, knows_something: bool, num_classes: int) -> str:
    """The embedding layer before training where it was left open.

    Args:
        config: its frozen epochs as they were asked for.
        knows_something: whether the network's features are worth a head before it is trained.
        num_classes: that are trained on; 0 where there are tuples.
    """
    is_open = config.is_trained and config.freeze.epochs is None and config.head in (AUTO, LDA)
    return LDA if is_open and knows_something and num_classes >= MIN_LDA_CLASSES else RANDOM


def check_first_head(config: TrainConfig, *, num_classes: int) -> None:
    """Refuse a first LDA of nothing; raises UsageError."""
    if config.first_head == LDA and (num_classes < 2 or not config.is_trained):
        got = "images without them" if config.is_trained else "a run in which nothing is trained"
        where = "--set first_head=..."
        raise UsageError("first_head lda", expected="two classes or more to be trained on", got=got, where=where)


def check_no_head(given: TrainConfig) -> None:
    """Refuse a width of vectors beside features that stay as they are; raises UsageError.

    Args:
        given: as the user wrote it.
    """
    if given.head == NONE and "dim" in given.model_fields_set:
        expected = "none, for vectors are the network's features"
        mend = "leave --dim away, or use --head pca"
        raise UsageError("dim with --head none", expected=expected, got=str(given.dim), where="--dim", mend=mend)


def check_untrained_head(config: TrainConfig) -> None:
    """Refuse to keep a layer that nothing has trained, or to train without one; raises UsageError."""
    if config.is_trained and config.head == NONE:
        expected = "trained, lda, pca or auto"
        got = "none, which takes features as they are"
        raise UsageError(
            "head where something is trained", expected=expected, got=got, where="--head", mend="add --epochs 0"
        )
    if not config.is_trained and config.head == TRAINED:
        raise UsageError(
            "head where nothing is trained",
            expected="pca, lda, auto or none",
            got="trained, whose random weights would stay",
            where="--head",
        )


def check_head(config: TrainConfig, *, images: str, has_classes: bool) -> None:
    """Refuse a head that such images cannot have; raises UsageError.

    Args:
        images: what messages call them.
    """
    if not has_classes and config.head == LDA:
        others = "trained, pca or auto" if config.is_trained else "pca or auto"
        raise UsageError(f"head for {images}", expected=f"{others}, for there are no classes", got=LDA, where="--head")
    if config.head_classes and (not has_classes or config.head not in (AUTO, LDA)):
        reason = f"with --head {config.head} nothing is chosen"
        if not has_classes:
            reason = "there are no classes"
        raise UsageError(
            "head_classes", expected=f"none, for {reason}", got=str(config.head_classes), where="--set head_classes=..."
        )


def num_head_classes(config: TrainConfig, *, num_classes: int, is_tuples: bool) -> int:
    """How many of the training classes are set aside.

    Args:
        config: its `head_classes` may be open.
        num_classes: on the training side, before they are turned or mirrored.
        is_tuples: whether there are no classes.

    Raises:
        UsageError: so many that were asked for leave too few to train on.
    """
    if is_tuples or config.head not in (AUTO, LDA):
        return 0
    asked, needed = config.head_classes, 3 if config.kind == "quartet" else 2
    if asked is None:
        return 0 if num_classes < MIN_CLASSES else min(_MOST, max(_FEWEST, round(_SHARE * num_classes)))
    if asked and not 2 <= asked <= num_classes - needed:
        most = num_classes - needed
        raise UsageError(
            "head_classes",
            expected=f"0, or 2..{most} of {num_classes} training classes" if most >= 2 else f"0 of {num_classes}",
            got=str(asked),
            where="--set head_classes=...",
        )
    return asked


def why_none_set_aside(num_classes: int) -> str:
    """Why no classes were set aside, where some could have been: the end of a sentence that says so.

    Args:
        num_classes: as that of `num_head_classes`.
    """
    return f"which takes {MIN_CLASSES} training classes" if num_classes < MIN_CLASSES else "for head_classes is 0"


def num_own_classes(config: TrainConfig, num_classes: int) -> int:
    """How many of the classes that are trained on are neither turned nor mirrored ones."""
    return num_classes // ((4 if config.augment.turns else 1) * (2 if config.augment.mirrors else 1))


def why_trained(config: TrainConfig, *, num_classes: int) -> str | None:
    """Why the trained layer stays without a look at another; None where another is fitted, or is to be tried.

    Args:
        config: resolved.
        num_classes: that are trained on, turned and mirrored ones among them; 0 where images have none.
    """
    if config.head == TRAINED:
        return "asked for"
    if config.head != AUTO:
        return None
    if not num_classes:
        return "tuples have no classes to fit another on"
    if config.head_classes:
        return None
    reason = why_none_set_aside(num_own_classes(config, num_classes))
    return f"no classes were set aside to choose another on, {reason}"
