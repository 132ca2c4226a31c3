"""A second look at a time budget: a run whose steps are much faster than those of the trial begins again.

The trial takes seconds, in which something else may have had the machine: a browser that started, a check of another
project. Its steps then came out several times too long, and the run would end after a quarter of its time.

Decisions a reader would question:
- The run begins again, from the same first weights, and does not become longer: the schedule follows from the steps, so
  a run is what its settings say, and goes on from its state, as if it had begun so.
- Two windows of steps in a row have to be so fast, and the second counts: in the first one the disturbance may end.
- Its length is settled by a second trial: what the windows saw is the first phase of a run, in smaller images, and says
  nothing of the others, which may have been tried rightly.
- Once, among the first third of its steps, and only for a good many more of them: what was trained is thrown away.
- Slower steps change nothing. A run ends late then, and nobody loses what is trained.
- One process alone looks. Several of them have a machine to themselves, and would have to agree at every step.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from artifact.events import Report
from trainer.config.progressive import smaller_steps
from trainer.config.rates import usual_rates
from trainer.loop.budget import TRIAL_SHARE, Budget, fitting
from trainer.loop.preparation import Prepared
from trainer.loop.training import Training
from trainer.loop.trial import Costs

FASTER = 0.6
"""A window's steps take at most so much of what the trial said."""
MORE = 1.25
"""The new run has so many times the steps."""
_UNTIL = 1 / 3
"""Of the steps."""
_STEPS_OF_WINDOW = 10
"""A window ends when it is as long as the trial, or after a tenth of the steps, but for so many at least."""


class BeginsAgain(Exception):  # noqa: N818 - no error: what comes next
    """The run is to begin again, once its length was settled anew."""


class SecondLook:
    """A report that hands every event on, and raises BeginsAgain where the steps are much faster than was tried.

    Args:
        say: gets every event.
        training: the run, before its first step.
        still_open: the preparation whose length was not settled yet.
        budget: how its length was settled.
        started: when the call began, by `time.monotonic`.
    """

    def __init__(
        self, say: Report, training: Training, *, still_open: Prepared, budget: Budget, started: float
    ) -> None:
        self._say, self._open, self._training, self._budget = say, still_open, training, budget
        self._started, self._window_s = started, 60 * budget.minutes * TRIAL_SHARE
        self._until = budget.steps * _UNTIL
        self._steps_of_window = max(_STEPS_OF_WINDOW, budget.steps / 10)
        self._smaller = smaller_steps(training.config, training.num_steps)
        self._step, self._now = 0, time.monotonic()
        self._was_fast = False
        self._open_window()

    def __call__(self, event: Mapping[str, Any]) -> None:
        self._say(event)
        if event["event"] == "step" and event["step"] <= self._until:
            self._took_s += time.monotonic() - self._now
            self._tried_s += sum(self._tried_step_s(step) for step in range(self._step, event["step"]))
            self._steps += event["step"] - self._step
            self._step = event["step"]
            if self._took_s >= self._window_s or self._steps >= self._steps_of_window:
                self._look(self._took_s / self._tried_s)
                self._open_window()
        self._now = time.monotonic()  # what is done between an epoch's last step and the next one is no step

    def _open_window(self) -> None:
        self._took_s = self._tried_s = 0.0
        self._steps = 0

    def _look(self, share: float) -> None:
        was_fast, self._was_fast = self._was_fast, share <= FASTER
        if not (was_fast and self._was_fast):
            return
        training, minutes = self._training, self._budget.minutes
        base, per_epoch = self._open.base, training.batches.per_epoch
        rates, costs = usual_rates(base.family, trained=base.trained), _scaled(self._budget.costs, share)
        config = self._open.config
        budget = fitting(costs, config, rates, per_epoch=per_epoch, minutes=minutes, started=self._started)
        if budget.steps < MORE * self._budget.steps:
            return
        message = (
            f"steps take {share:.0%} of what they took when they were tried, so some {budget.steps:,} fit and not "
            f"{self._budget.steps:,}: the run begins again"
        )
        self._say({"event": "note", "message": message})
        raise BeginsAgain

    def _tried_step_s(self, step: int) -> float:
        """Seconds that the trial gave a step (from 0)."""
        costs, per_epoch = self._budget.costs, self._training.batches.per_epoch
        in_full = next(phase.step_s for phase in reversed(costs.phases) if phase.first_epoch * per_epoch <= step)
        return in_full * (costs.smaller if step < self._smaller else 1.0)


def _scaled(costs: Costs, share: float) -> Costs:
    """The costs if every step takes so much of what it did: what may be won by beginning again."""
    return replace(costs, phases=tuple(replace(phase, step_s=phase.step_s * share) for phase in costs.phases))
