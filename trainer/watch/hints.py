"""Hints after an epoch: advice that the numbers of a run give to somebody who watches it.

Decisions a reader would question:
- Hints are a pure function of the lines of metrics.jsonl, each said after the first epoch at which its rule holds. So a
  resumed run says the same ones: there is no state to save.
- Rules speak of what did not work: a run whose held-out recall is high gets no advice, though nearly all its tuples
  are easy. The limits come from recorded runs (tests/trainer/watch/test_watch.py): each hint appears in a run spoilt on
  purpose and in none of the default runs.
- A margin far too large rarely stops % correct from rising on the training images; what stops is held-out recall, while
  the loss goes on falling because the vectors grow. % correct counts where nothing is held out.
- Of epochs of a step or two, as small folders have them, three say nothing: rules look at one epoch in so many steps.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from artifact.distances import DISTANCES
from artifact.losses import LOSSES, MARGIN_LOSSES
from trainer.config.config import TrainConfig
from trainer.config.settings import BALANCED, ROUNDS, TUPLES
from trainer.config.towers import OTHER, TOWER_METRICS
from trainer.watch.collapse import collapse_advice, higher_rate, is_point, lower_rate, resting_loss

Line = Mapping[str, Any]

_WINDOW = 3
"""Epochs that a rule looks back; a shorter look takes noise for a trend."""

_MIN_STEPS = 12
"""Between two epochs that rules look at, each after the first."""

_MEMORY = 32
"""Epochs that are remembered, of all and of those with held-out metrics; a run may have 100,000."""

HARDER_MINERS = ("semi_hard", "batch_hard")
"""Miners, known for every form of tuples, that leave easy tuples out."""

_GOOD_RECALL = 0.95
_GOOD_PCT_CORRECT = 98.0
_POINT = 0.01
"""Less than a point of recall is noise on a few hundred held-out images."""


@dataclass(frozen=True, kw_only=True)
class History:
    """Epochs that rules look at: the first one, the last ones, and the last ones with held-out metrics.

    `num_epochs` of them were looked at; where they are short that is not the number of the last one.
    """

    first: Line
    recent: Sequence[Line]
    validated: Sequence[Line]
    num_epochs: int


class Watch:
    """A watcher that takes a run's epochs one by one and says what there is to say, each thing once.

    Args:
        config: as used.
        lines: of metrics.jsonl, the epochs of a run that is continued; what they gave is taken as said.

    Attributes:
        hints: all that was said, in order.
    """

    def __init__(self, config: TrainConfig, lines: Sequence[Line] = ()) -> None:
        self.config = config
        self.hints: list[str] = []
        self._first: Line | None = None
        self._num_epochs = 0
        self._recent: deque[Line] = deque(maxlen=_MEMORY)
        self._validated: deque[Line] = deque(maxlen=_MEMORY)
        self._rules = list(_RULES)
        for line in lines:
            self.epoch(line)

    def epoch(self, line: Line) -> list[str]:
        """Take the line of one finished epoch; advice, one line each, empty for most."""
        if math.isfinite(held_out_quality(line)):
            self._validated.append(line)
        if self._recent and 0 < _number(line, "step") - _number(self._recent[-1], "step") < _MIN_STEPS:
            return []
        self._first = self._first or line
        self._num_epochs += 1
        self._recent.append(line)
        history = History(
            first=self._first, recent=list(self._recent), validated=list(self._validated), num_epochs=self._num_epochs
        )
        found = [(rule, rule(history, self.config)) for rule in self._rules]
        self._rules = [rule for rule, message in found if message is None]
        said = [message for _, message in found if message is not None]
        self.hints += said
        return said


def margin_too_large(history: History, config: TrainConfig) -> str | None:
    """The loss falls while nothing gets into better order; or tuples are in order and yet none reaches the margin."""
    if history.num_epochs <= _WINDOW or not config.margin or _is_good(history):
        return None
    before, now = history.recent[-1 - _WINDOW], history.recent[-1]
    if is_point(_number(now, "mean_negative"), _number(now, "loss"), config):
        return None
    gap = _number(now, "mean_negative") - _number(now, "mean_positive")
    if not (gap < config.margin if math.isfinite(gap) else _number(now, "pct_active") > 50):
        return None
    fall = 1 - _number(now, "loss") / max(1e-12, _number(before, "loss"))
    recall = _recall_gain(history.validated[:-_WINDOW], history.validated[-_WINDOW:])
    if recall is not None:
        stuck = recall < _POINT
    else:  # the order of the hardest tuples stays poor by construction
        stuck = config.mining == "all" and _number(now, "pct_correct") - _number(before, "pct_correct") < 1
    if fall > 0.05 and stuck:
        epochs = now["epoch"] - before["epoch"]
        seen = f"in {epochs} epochs the loss fell by {fall:.0%}, but the order of images did not get better"
    elif _number(now, "pct_active") > 99 and _number(now, "pct_correct") > 85:
        correct = f"{_number(now, 'pct_correct'):.0f} %"
        seen = f"after {now['epoch']} epochs {correct} of the tuples are in order, and none reaches the margin"
    else:
        return None
    return f"the margin may be too large: {seen}; try {_smaller_margin(config)}"


def collapsing(history: History, config: TrainConfig) -> str | None:
    """All images at nearly one point, on the mean of an epoch."""
    now = history.recent[-1]
    if not is_point(_number(now, "mean_negative"), _number(now, "loss"), config):
        return None
    ways = " or ".join(collapse_advice(config))
    return f"all images are nearly at one point, so the loss stays where it is; try {ways}"


def mostly_easy(history: History, config: TrainConfig) -> str | None:
    """Hardly a tuple of all teaches anything any more, and held-out images are not there yet."""
    recent = history.recent[-_WINDOW:]
    mines = config.sampling.strategy == BALANCED
    if len(recent) < _WINDOW or (mines and config.mining != "all") or _is_good(history):
        return None
    if not all(_number(line, "pct_easy") > 95 for line in recent):
        return None
    recall = _recall_gain(history.validated[:-_WINDOW], history.validated[-_WINDOW:])
    if recall is not None and recall >= 2 * _POINT:
        return None
    return (
        f"{_number(recent[-1], 'pct_easy'):.1f} % of the tuples are already easy, so little is learned from a batch; "
        + _harder_tuples(config)
    )


def memorised(history: History, config: TrainConfig) -> str | None:
    """Training tuples get better while held-out images get worse."""
    validated = history.validated
    if len(validated) <= _WINDOW:
        return None
    best = max(range(len(validated)), key=lambda at: held_out_quality(validated[at]))
    since = validated[best:]
    loss = held_out_quality(validated[best]) - max(held_out_quality(line) for line in since[1:] or since)
    learned = _number(since[-1], "pct_correct") - _number(since[0], "pct_correct")
    noise = 0.5 / math.sqrt(_num_asked(since[-1]))  # a standard error at most; not known: not above
    if (
        len(since) <= _WINDOW
        or loss < 2 * _POINT
        or loss < noise
        or learned < 0.1
        or _number(since[-1], "pct_correct") < 95
    ):
        return None
    return (
        f"held-out images have been getting worse since epoch {since[0]['epoch']}, while training tuples got better: "
        "training images are being memorised; stop earlier (--set loop.patience=5), augment more, or lower --epochs"
    )


def nothing_learned(history: History, config: TrainConfig) -> str | None:
    """Neither loss nor order moved over the first epochs."""
    if history.num_epochs <= _WINDOW or _is_good(history):
        return None
    first, now = history.first, history.recent[-1]
    fall = 1 - _number(now, "loss") / max(1e-12, _number(first, "loss"))
    learned = max(_number(line, "pct_correct") for line in history.recent) - _number(first, "pct_correct")
    if is_point(_number(now, "mean_negative"), _number(now, "loss"), config):
        return None
    if not (abs(fall) < 0.05 and learned < 2 and _number(now, "pct_correct") < 75):
        return None
    # the order of mined tuples stays poor by construction, and retrieval may yet get better
    if config.mining != "all" and (_recall_gain(history.validated[:1], history.validated[1:]) or 0.0) >= 2 * _POINT:
        return None
    return (
        f"hardly anything was learned in {now['epoch']} epochs: the learning rate may be too low (try --set "
        f"optimizer.learning_rate={higher_rate(config):g}), or the classes cannot be told apart by their images"
    )


def unstable(history: History, config: TrainConfig) -> str | None:
    """The loss rises and fewer tuples are in order than before; or the first steps threw the vectors about."""
    if history.num_epochs < 2:
        return None
    now, loss = history.recent[-1], _number(history.recent[-1], "loss")
    best = max(_number(line, "pct_correct") for line in history.recent[:-1])
    lowest = min(_number(line, "loss") for line in history.recent[:-1])
    resting, first = resting_loss(config), _number(history.first, "loss")
    if loss > 1.5 * lowest and _number(now, "pct_correct") < best - 5:
        seen = f"the loss has risen from {lowest:.3g} to {loss:.3g} and fewer tuples are in order"
    elif (
        history.num_epochs >= _WINDOW
        and not _is_good(history)
        and config.mining == "all"
        and resting
        and first > 1.5 * resting
    ):
        seen = f"the loss of the first epoch was {first:.3g}, where equal vectors would have {resting:.3g}"
    else:
        return None
    return f"{seen}: the learning rate may be too high; try --set optimizer.learning_rate={lower_rate(config):g}"


_RULES: tuple[Callable[[History, TrainConfig], str | None], ...] = (
    collapsing,
    margin_too_large,
    mostly_easy,
    memorised,
    nothing_learned,
    unstable,
)


def held_out_quality(line: Line) -> float:
    """recall@1, for tables of tuples the share of held-out ones in order, of two towers mAP by attributes, in [0, 1];
    NaN where not measured."""
    measured = (_number(line, "recall@1"), _number(line, "held_out_pct_correct") / 100, _number(line, TOWER_METRICS[0]))
    return next((value for value in measured if math.isfinite(value)), math.nan)


def _num_asked(line: Line) -> float:
    """Queries that `held_out_quality` rests on; NaN where not known."""
    own = _number(line, "num_queries")
    return own if math.isfinite(own) else _number(line, "num_attribute_queries")


def _number(line: Line, key: str) -> float:
    value = line.get(key)
    return float(value) if isinstance(value, int | float) else math.nan


def _recall_gain(before: Sequence[Line], after: Sequence[Line]) -> float | None:
    """By how much held-out images were best in some epochs above the best of those before; None without any."""
    if not before or not after:
        return None
    return max(held_out_quality(line) for line in after) - max(held_out_quality(line) for line in before)


def _is_good(history: History) -> bool:
    """Held-out recall that leaves little to gain; without held-out images, training tuples nearly all in order."""
    if history.validated:
        return max(held_out_quality(line) for line in history.validated[-_WINDOW:]) >= _GOOD_RECALL
    return _number(history.recent[-1], "pct_correct") >= _GOOD_PCT_CORRECT


def _smaller_margin(config: TrainConfig) -> str:
    """The default margin where it is smaller, else half of the one in use; and the loss, if a margin means another."""
    margin = float(config.margin or 0)
    loss, distance = LOSSES.get(str(config.loss)), DISTANCES[config.distance]
    usual = margin if loss is None else loss.default_margin(distance, normalized=bool(config.normalize))
    smaller = f"--margin {usual if 0 < usual < margin else margin / 2:g}"
    return smaller if config.loss == MARGIN_LOSSES[config.kind] else f"--loss {config.loss} {smaller}"


def _harder_tuples(config: TrainConfig) -> str:
    """Where harder tuples come from: a miner, or where tuples are drawn and not mined, other tuples."""
    if config.has_towers and config.negatives in (None, OTHER):
        return "try --negatives flipped:1, each image's own attributes with one changed"
    if config.has_towers:
        return "the table needs images that differ in fewer attributes"
    if config.sampling.strategy == TUPLES:
        return "the table needs tuples whose negatives look more like the anchor"
    names = " or ".join(HARDER_MINERS) if str(config.loss) in LOSSES else HARDER_MINERS[-1]
    balance = f"--set sampling.strategy={BALANCED} " if config.sampling.strategy == ROUNDS else ""
    return f"try {balance}--mining {names}"
