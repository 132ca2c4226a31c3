"""The expected end of a run: how long it is, and how many seconds are left after each step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from artifact.events import Report
from trainer.config.progressive import progress, smaller_steps
from trainer.loop.budget import Budget
from trainer.loop.training import Training


def length_facts(training: Training, budget: Budget | None) -> dict[str, Any]:
    """{"epochs", "steps", "per_epoch", what smaller images come first, of a time budget how it was settled}."""
    facts: dict[str, Any] = {
        "epochs": training.config.epochs,
        "steps": training.num_steps,
        "per_epoch": training.batches.per_epoch,
    }
    smaller = smaller_steps(training.config, training.num_steps)
    if smaller:
        facts["smaller"] = {"size": training.config.progressive.size, "steps": smaller}
    return facts if budget is None else {**facts, "budget": budget.to_dict()}


def with_expected_end(say: Report, training: Training, budget: Budget | None) -> Report:
    """A report that adds `eta_s` to `step` events: the pixels that are left at the mean speed so far, and the end.

    Args:
        say: gets every event.
        training: where this process takes it up.
        budget: knows what the end takes; None: it is not counted.
    """
    config, num_steps, started = training.config, training.num_steps, time.monotonic()
    first = progress(config, training.step, num_steps)
    end_s = 0.0 if budget is None else budget.end_s

    def report(event: Mapping[str, Any]) -> None:
        if event["event"] == "step":
            done = progress(config, event["step"], num_steps)
            a_step = (time.monotonic() - started) / max(1e-9, done - first)
            event = {**event, "eta_s": round((num_steps - done) * a_step + end_s, 3)}
        say(event)

    return report
