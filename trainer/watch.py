"""What the numbers of a run say to somebody who watches it: hints after an epoch.

Decisions a reader would question:
- A hint is a pure function of the lines of metrics.jsonl, said after the first epoch at which its rule holds. So it is
  said once, and a resumed run says the same ones: there is no state to save.
- Rules speak of what did not work: a run whose held-out recall is high gets no advice, though nearly all its tuples
  are easy. The limits come from recorded runs (tests/test_trainer_watch.py): each hint appears in a run spoilt on
  purpose and in none of the default runs.
- A margin far too large rarely stops % correct from rising on the training images; what stops is held-out recall, while
  the loss goes on falling because the vectors grow. Either one counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer.collapse import collapse_advice, is_point, resting_loss
from trainer.config import TrainConfig

Line = Mapping[str, Any]

_WINDOW = 3
"""Epochs that a rule looks back; a shorter look takes noise for a trend."""

_GOOD_RECALL = 0.95
_GOOD_PCT_CORRECT = 98.0
_POINT = 0.01
"""Less than a point of recall is noise on a few hundred held-out images."""

_USUAL_RATE = 1e-3


def hints(lines: Sequence[Line], config: TrainConfig) -> list[str]:
    """What to say after the last of these epochs; empty for most.

    Args:
        lines: of metrics.jsonl, from the first epoch to the one just finished.
        config: as used.

    Returns:
        Advice, one line each; each rule speaks once in a run.
    """
    found = []
    for rule in _RULES:
        message = rule(lines, config)
        if message is not None and not any(rule(lines[:end], config) for end in range(1, len(lines))):
            found.append(message)
    return found


def all_hints(lines: Sequence[Line], config: TrainConfig) -> list[str]:
    """Every hint of a run, in the order in which they were said."""
    found = []
    for rule in _RULES:
        said = ((end, rule(lines[:end], config)) for end in range(1, len(lines) + 1))
        first = next(((end, message) for end, message in said if message is not None), None)
        found += [first] if first is not None else []
    return [message for _, message in sorted(found, key=lambda pair: pair[0])]


def margin_too_large(lines: Sequence[Line], config: TrainConfig) -> str | None:
    """The loss falls while nothing gets into better order; or tuples are in order and yet none reaches the margin."""
    if len(lines) <= _WINDOW or not config.margin or _is_good(lines):
        return None
    before, now = lines[-1 - _WINDOW], lines[-1]
    if is_point(_number(now, "mean_negative"), _number(now, "loss"), config):
        return None
    gap = _number(now, "mean_negative") - _number(now, "mean_positive")
    if not (gap < config.margin if math.isfinite(gap) else _number(now, "pct_active") > 50):
        return None
    fall = 1 - _number(now, "loss") / max(1e-12, _number(before, "loss"))
    recall = _gain(_validated(lines), "recall@1")
    stuck = _number(now, "pct_correct") - _number(before, "pct_correct") < 1 or (recall is not None and recall < _POINT)
    if fall > 0.05 and stuck:
        seen = f"in {_WINDOW} epochs the loss fell by {fall:.0%}, but the order of images did not get better"
    elif _number(now, "pct_active") > 99 and _number(now, "pct_correct") > 85:
        correct = f"{_number(now, 'pct_correct'):.0f} %"
        seen = f"after {len(lines)} epochs {correct} of the tuples are in the right order, and none reaches the margin"
    else:
        return None
    return f"the margin may be too large: {seen}; try --margin {_smaller_margin(config):g}"


def collapsing(lines: Sequence[Line], config: TrainConfig) -> str | None:
    """All images at nearly one point, on the mean of an epoch."""
    now = lines[-1] if lines else {}
    if not is_point(_number(now, "mean_negative"), _number(now, "loss"), config):
        return None
    ways = " or ".join(collapse_advice(config))
    return f"all images are nearly at one point, so the loss stays where it is; try {ways}"


def mostly_easy(lines: Sequence[Line], config: TrainConfig) -> str | None:
    """Hardly a tuple of all teaches anything any more, and held-out images are not there yet."""
    recent = lines[-_WINDOW:]
    if len(recent) < _WINDOW or config.mining != "all" or _is_good(lines):
        return None
    if not all(_number(line, "pct_easy") > 95 for line in recent):
        return None
    recall = _gain(_validated(lines), "recall@1")
    if recall is not None and recall >= 2 * _POINT:
        return None
    return (
        f"{_number(lines[-1], 'pct_easy'):.1f} % of the tuples are already easy, so little is learned from a batch; "
        f"try --mining {_harder_mining(config)}"
    )


def memorised(lines: Sequence[Line], config: TrainConfig) -> str | None:
    """Training tuples get better while held-out images get worse."""
    validated = _validated(lines)
    if len(validated) <= _WINDOW:
        return None
    best = max(range(len(validated)), key=lambda at: _number(validated[at], "recall@1"))
    since = validated[best:]
    loss = _number(validated[best], "recall@1") - max(_number(line, "recall@1") for line in since[1:] or since)
    learned = _number(since[-1], "pct_correct") - _number(since[0], "pct_correct")
    if len(since) <= _WINDOW or loss < 2 * _POINT or learned < 0.1 or _number(since[-1], "pct_correct") < 95:
        return None
    return (
        f"held-out recall@1 has been falling since epoch {since[0]['epoch']}, while training tuples got better: the "
        "images are being memorised; stop earlier (--set loop.patience=5), augment more, or lower --epochs"
    )


def nothing_learned(lines: Sequence[Line], config: TrainConfig) -> str | None:
    """Neither loss nor order moved over the first epochs."""
    if len(lines) <= _WINDOW or _is_good(lines):
        return None
    first, now = lines[0], lines[-1]
    fall = 1 - _number(now, "loss") / max(1e-12, _number(first, "loss"))
    learned = max(_number(line, "pct_correct") for line in lines) - _number(first, "pct_correct")
    if is_point(_number(now, "mean_negative"), _number(now, "loss"), config):
        return None
    if not (abs(fall) < 0.05 and learned < 2 and _number(now, "pct_correct") < 75):
        return None
    # the order of mined tuples stays poor by construction, and retrieval may yet get better
    if config.mining != "all" and (_recall_gain(lines) or 0.0) >= 2 * _POINT:
        return None
    rate = max(10 * config.optimizer.learning_rate, _USUAL_RATE)
    return (
        f"hardly anything was learned in {len(lines)} epochs: the learning rate may be too low (try --set "
        f"optimizer.learning_rate={rate:g}), or the classes cannot be told apart by their images"
    )


def unstable(lines: Sequence[Line], config: TrainConfig) -> str | None:
    """The loss rises and fewer tuples are in order than before; or the first steps threw the vectors about."""
    if len(lines) < 2:
        return None
    now, loss = lines[-1], _number(lines[-1], "loss")
    best = max(_number(line, "pct_correct") for line in lines[:-1])
    lowest = min(_number(line, "loss") for line in lines[:-1])
    resting, first = resting_loss(config), _number(lines[0], "loss")
    if loss > 1.5 * lowest and _number(now, "pct_correct") < best - 5:
        seen = f"the loss has risen from {lowest:.3g} to {loss:.3g} and fewer tuples are in order"
    elif len(lines) >= _WINDOW and not _is_good(lines) and config.mining == "all" and resting and first > 1.5 * resting:
        seen = f"the loss of the first epoch was {first:.3g}, where equal vectors would have {resting:.3g}"
    else:
        return None
    rate = config.optimizer.learning_rate
    return f"{seen}: the learning rate may be too high; try --set optimizer.learning_rate={rate / 10:g}"


_RULES: tuple[Callable[[Sequence[Line], TrainConfig], str | None], ...] = (
    collapsing,
    margin_too_large,
    mostly_easy,
    memorised,
    nothing_learned,
    unstable,
)


def _number(line: Line, key: str) -> float:
    value = line.get(key)
    return float(value) if isinstance(value, int | float) else math.nan


def _validated(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if math.isfinite(_number(line, "recall@1"))]


def _gain(validated: Sequence[Line], key: str) -> float | None:
    """By how much the best of the last epochs is above the best before them; None where too few were validated."""
    if len(validated) <= _WINDOW:
        return None
    before, recent = validated[:-_WINDOW], validated[-_WINDOW:]
    return max(_number(line, key) for line in recent) - max(_number(line, key) for line in before)


def _recall_gain(lines: Sequence[Line]) -> float | None:
    validated = _validated(lines)
    if len(validated) < 2:
        return None
    return max(_number(line, "recall@1") for line in validated) - _number(validated[0], "recall@1")


def _is_good(lines: Sequence[Line]) -> bool:
    """Held-out recall that leaves little to gain; without held-out images, training tuples nearly all in order."""
    validated = _validated(lines)
    if validated:
        return max(_number(line, "recall@1") for line in validated[-_WINDOW:]) >= _GOOD_RECALL
    return bool(lines) and _number(lines[-1], "pct_correct") >= _GOOD_PCT_CORRECT


def _smaller_margin(config: TrainConfig) -> float:
    """The default margin where it is smaller, else half of the one in use."""
    from trainer.losses import LOSSES

    margin = float(config.margin or 0)
    loss = LOSSES.get(str(config.loss))
    usual = loss.margins.get((config.distance, config.normalize), margin) if loss is not None else margin
    return usual if 0 < usual < margin else margin / 2


def _harder_mining(config: TrainConfig) -> str:
    from trainer.losses import LOSSES
    from trainer.mining import MINERS

    loss = LOSSES.get(str(config.loss))
    known = MINERS.get(loss.form, ()) if loss is not None else ()
    return " or ".join(name for name in ("semi_hard", "batch_hard") if name in known) or "batch_hard"
