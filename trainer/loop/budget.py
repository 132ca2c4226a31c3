"""A time budget turned into steps, before the first of them; from there on a run is a function of its settings alone.

What a step, a look at what is held out and the end cost is tried out (trial.py), and the steps that fit into what is
left of the time are written into config.yaml. So a resumed run, or one with `--set steps=N`, gives the same bytes.

Decisions a reader would question:
- The time is that of the whole call: what was spent on reading and on the trial is gone, and the end (threshold,
  report, a closed-form head) is kept in reserve. A little is left over, for no machine is equally fast throughout.
- Time is looked at once more (second_look.py), where the first steps are much faster than the trial's. A machine that
  becomes slower ends late, and a run stays the same wherever it is resumed.
- How long a network stands still at first depends on the epochs, which depend on the steps. So each number of steps is
  weighed with the frozen epochs of a run of so many; a few steps more may then take less time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from artifact.errors import UsageError
from trainer.config.config import MAX_EPOCHS, TrainConfig
from trainer.config.length import num_epochs, with_length
from trainer.config.progressive import smaller_steps
from trainer.config.rates import Rates, usual_rates, with_frozen
from trainer.loop.distributed import Ranks
from trainer.loop.preparation import Prepared
from trainer.loop.trial import Costs, Phase, try_out
from trainer.sampling.batches import make_batches

TRIAL_SHARE = 0.03
"""Of the whole time, on trying steps."""

_SLACK = 0.02
_MIN_UPDATES = 5
"""Fewer moves of the weights are no training."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How a time budget was settled.

    Attributes:
        minutes: for the whole command.
        steps: that fit.
        spent_s: until the first step: reading, building, trial.
        step_s: of one step, of those in which most layers train.
        look_s: of one look at what is held out.
        end_s: kept for the end.
        costs: all of what was tried out.
    """

    minutes: float
    steps: int
    spent_s: float
    step_s: float
    look_s: float
    end_s: float
    costs: Costs

    def to_dict(self) -> dict[str, Any]:
        """As facts.json has it."""
        return {name: round(value, 4) for name, value in vars(self).items() if name != "costs"}


def settle_length(prepared: Prepared, ranks: Ranks, folder: Path, *, started: float) -> tuple[Prepared, Budget | None]:
    """The preparation with all its epochs and the frozen ones filled in, and how a time budget was settled.

    Args:
        prepared: its base network stays as it is, torch's generators too.
        folder: of the run; it need not be there yet.
        started: when the call began, by `time.monotonic`.

    Raises:
        UsageError: a budget too short for a few steps, a network that cannot be copied for a trial, or steps and epochs
            that do not agree.
    """
    if not prepared.config.is_trained:
        return prepared, None
    config, rates = prepared.config, usual_rates(prepared.base.family, trained=prepared.base.trained)
    batches = make_batches(config, prepared.train, prepared.tuples, loss=prepared.loss, rows=prepared.rows)
    per_epoch = batches.per_epoch
    if config.minutes is None:
        config = with_frozen(with_length(config, per_epoch=per_epoch), rates, per_epoch=per_epoch)
        return replace(prepared, config=config), None
    budget = _settle(prepared, ranks, folder, rates=rates, per_epoch=per_epoch, minutes=config.minutes, started=started)
    config = of_steps(budget.steps, config, rates, per_epoch=per_epoch)
    return replace(prepared, config=config), budget


def of_steps(steps: int, config: TrainConfig, rates: Rates, *, per_epoch: int) -> TrainConfig:
    """The configuration of the run of so many steps in the place of one with a time budget."""
    config = config.model_copy(update={"minutes": None, "steps": steps})
    return with_frozen(with_length(config, per_epoch=per_epoch), rates, per_epoch=per_epoch)


def _settle(
    prepared: Prepared, ranks: Ranks, folder: Path, *, rates: Rates, per_epoch: int, minutes: float, started: float
) -> Budget:
    """Rank 0's clock decides for all."""
    seconds, config = 60 * minutes, prepared.config
    ranks.on_first(lambda: _require_time(minutes, time.monotonic() - started))
    longest = replace(prepared, config=with_frozen(config, rates, per_epoch=per_epoch))
    costs = try_out(
        longest,
        ranks,
        folder,
        allowance_s=TRIAL_SHARE * seconds,
        budget_s=seconds - (time.monotonic() - started),
        comes_early=config.freeze.epochs is None,
    )

    def settled() -> Budget:
        budget = fitting(costs, config, rates, per_epoch=per_epoch, minutes=minutes, started=started)
        needed = _MIN_UPDATES * config.loop.accumulate
        if budget.steps < needed:
            needed, needed_s = _cheapest(needed, costs, config, rates, per_epoch=per_epoch)
            at_least = math.ceil((budget.spent_s + (costs.end_s + needed_s) / (1 - _SLACK)) / 6) / 10
            raise UsageError(
                "minutes",
                expected=f"at least {at_least:g} (until now {budget.spent_s:.0f} s, {needed} steps {needed_s:.1f} s, "
                f"the end {costs.end_s:.0f} s)",
                got=f"{minutes:g}",
                where="--minutes",
            )
        return budget

    return ranks.on_first(settled)


def fitting(
    costs: Costs, config: TrainConfig, rates: Rates, *, per_epoch: int, minutes: float, started: float
) -> Budget:
    """The budget of a run that begins now.

    Args:
        costs, config, rates, per_epoch: see `steps_within`.
        minutes: for the whole call.
        started: when it began, by `time.monotonic`.
    """
    spent = time.monotonic() - started
    left = (60 * minutes - spent) * (1 - _SLACK) - costs.end_s
    return Budget(
        minutes=minutes,
        steps=steps_within(left, costs, config, rates, per_epoch=per_epoch),
        spent_s=spent,
        step_s=costs.phases[-1].step_s,
        look_s=costs.look_s,
        end_s=costs.end_s,
        costs=costs,
    )


def _cheapest(needed: int, costs: Costs, config: TrainConfig, rates: Rates, *, per_epoch: int) -> tuple[int, float]:
    """So many steps, or as many more as end in a new epoch if these take less time; and their seconds."""
    more = -(-(needed - 1) // per_epoch) * per_epoch + 1
    taken = {steps: seconds_of(steps, costs, config, rates, per_epoch=per_epoch) for steps in (needed, more)}
    fewest = min(taken, key=taken.__getitem__)
    return fewest, taken[fewest]


def _require_time(minutes: float, spent: float) -> None:
    if spent >= 60 * minutes:
        at_least = f"more than {math.ceil(spent / 6) / 10:g}, for reading alone took {spent:.0f} s"
        raise UsageError("minutes", expected=at_least, got=f"{minutes:g}", where="--minutes")


def steps_within(seconds: float, costs: Costs, config: TrainConfig, rates: Rates, *, per_epoch: int) -> int:
    """The most steps whose time, looks at what is held out included, is not above `seconds`; 0 where none is.

    Args:
        costs: with the frozen epochs of a run without end.
        config: its length, and what follows from it, open.
        rates: of its network.
        per_epoch: steps of an epoch.
    """

    def fits(steps: int) -> bool:
        return seconds_of(steps, costs, config, rates, per_epoch=per_epoch) <= seconds

    # while frozen epochs grow with the steps, more of these may take less time
    frozen = _frozen(config, rates, per_epoch) if config.freeze.epochs is None else 0
    growing = (frozen + 1) * per_epoch if frozen else 0
    if growing and not fits(growing):
        return next((steps for steps in range(growing - 1, 0, -1) if fits(steps)), 0)
    low, high = 0, MAX_EPOCHS * per_epoch + 1
    while high - low > 1:
        middle = (low + high) // 2
        if middle <= growing or fits(middle):
            low = middle
        else:
            high = middle
    return low


def seconds_of(steps: int, costs: Costs, config: TrainConfig, rates: Rates, *, per_epoch: int) -> float:
    """Seconds of so many steps and of the looks between them; arguments as those of `steps_within`."""
    run = of_steps(steps, config, rates, per_epoch=per_epoch)
    assert run.loop.validate_every is not None
    assert run.freeze.epochs is not None
    looks = -(-num_epochs(run) // run.loop.validate_every)
    fewer = _frozen(config, rates, per_epoch) - run.freeze.epochs
    phases = [replace(phase, first_epoch=max(0, phase.first_epoch - fewer)) for phase in costs.phases]
    of_all = _seconds_of_phases(steps, phases, per_epoch)
    of_smaller = _seconds_of_phases(smaller_steps(run, steps), phases, per_epoch)
    return of_all - (1 - costs.smaller) * of_smaller + looks * costs.look_s


def _frozen(config: TrainConfig, rates: Rates, per_epoch: int) -> int:
    """Frozen epochs of a run without end."""
    return with_frozen(config, rates, per_epoch=per_epoch).freeze.epochs or 0


def _seconds_of_phases(steps: int, phases: Sequence[Phase], per_epoch: int) -> float:
    starts = [phase.first_epoch * per_epoch for phase in phases]
    ends = [*starts[1:], math.inf]
    return sum(
        max(0.0, min(steps, end) - start) * phase.step_s for phase, start, end in zip(phases, starts, ends, strict=True)
    )
