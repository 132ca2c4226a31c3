"""The trial of a time budget: which phases of freezing are tried, with how many steps, and what stands for the rest."""

import itertools
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.config.config import make_config
from trainer.config.rates import Rates
from trainer.loop import budget, trial
from trainer.loop.budget import seconds_of, steps_within
from trainer.loop.distributed import joined
from trainer.loop.preparation import prepare
from trainer.loop.trial import Costs, Phase, try_out

Tried = Callable[..., tuple[Costs, "Counter[int]"]]


@pytest.fixture
def tried(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tried:
    """A trial with a clock of its own: a step of epoch e takes `seconds(e)`; steps that were made, by epoch."""

    def try_steps(seconds: Callable[[int], float], *, freeze: dict[str, int], **times: Any) -> Any:
        now, made = itertools.count(), Counter[int]()
        clock = [0.0]

        def run(_: Any, epoch: int, count: int) -> list[float]:
            made[epoch] += count
            clock[0] += count * seconds(epoch)
            return [seconds(epoch)] * count

        with monkeypatch.context() as patched, joined("cpu") as ranks:
            values = {"images": shapes, "kind": "triplet", "dim": 8, "size": 24, "minutes": 1, "max_disk_mb": 0}
            prepared = prepare(make_config(values | {"freeze": freeze}), report=lambda event: None)
            patched.setattr(trial, "_run", run)
            patched.setattr(trial, "_time_rest", lambda *_, **__: (0.0, 0.0))
            patched.setattr(time, "monotonic", lambda: clock[0] + 1e-9 * next(now))
            return try_out(prepared, ranks, tmp_path, **times), made

    return try_steps


def _seconds(costs: Costs) -> dict[int, float]:
    return {phase.first_epoch: phase.step_s for phase in costs.phases}


def test_phase_that_a_run_begins_with_is_tried_first(tried: Tried) -> None:
    """A full step that takes far longer than the allowance is made once; the frozen phase has its own figure."""
    costs, made = tried(
        lambda epoch: 0.01 if epoch < 9 else 16.0, freeze={"epochs": 9}, allowance_s=7.2, budget_s=240, comes_early=True
    )
    assert _seconds(costs) == pytest.approx({0: 0.01, 9: 16.0})
    assert made[9] == 1
    assert made[0] > 50


@pytest.mark.parametrize(("step_s", "steps"), [(0.01, 103), (1.4, 3), (3.0, 2), (4.9, 2), (6.0, 1)])
def test_dear_steps_are_few(tried: Tried, step_s: float, steps: int) -> None:
    """One to warm up and one that is timed where these take longer than all may; of the dearest one only."""
    costs, made = tried(lambda epoch: step_s, freeze={}, allowance_s=2.9, budget_s=60)
    assert _seconds(costs) == pytest.approx({0: step_s})
    assert made == {0: steps}


def test_phase_that_the_budget_does_not_come_to_is_not_tried(tried: Tried) -> None:
    """Thousands of frozen epochs were asked for: full steps cost nothing, for there are none."""
    costs, made = tried(lambda epoch: 0.1 if epoch < 5000 else 60.0, freeze={"epochs": 5000}, allowance_s=3, budget_s=9)
    assert set(made) == {0}
    assert _seconds(costs) == pytest.approx({0: 0.1, 5000: 0.1})


def test_phases_between_are_bounded_by_the_next_one_that_was_tried(tried: Tried) -> None:
    """The dearest that the budget comes to is tried before those between, for which nothing may be left."""
    freeze = {"epochs": 1, "unfreeze_every": 1}
    costs, made = tried(lambda epoch: 1.0 + epoch, freeze=freeze, allowance_s=4, budget_s=1000)
    assert _seconds(costs) == pytest.approx({0: 1.0, 1: 5.0, 2: 5.0, 3: 5.0, 4: 5.0})
    assert set(made) == {0, 4}
    costs, _ = tried(lambda epoch: 1.0 + epoch, freeze=freeze, allowance_s=1000, budget_s=1000)
    assert _seconds(costs) == pytest.approx({epoch: 1.0 + epoch for epoch in range(5)})


def test_cheapest_run_is_what_a_budget_that_is_too_short_is_told() -> None:
    """Five full steps of an epoch that never ends take longer than an epoch that stands still and one step."""
    config = make_config({"images": "x", "kind": "triplet", "validation": "none"})
    costs = Costs(phases=(Phase(first_epoch=0, step_s=0.1), Phase(first_epoch=10, step_s=10.0)), look_s=0.0, end_s=0.0)
    rates = Rates(adamw=1.0, sgd=1.0, frozen_steps=100)
    steps, seconds = budget._cheapest(5, costs, config, rates, per_epoch=10)
    assert (steps, seconds) == (11, pytest.approx(11.0))
    assert seconds < seconds_of(5, costs, config, rates, per_epoch=10)
    assert steps_within(seconds + 1e-6, costs, config, rates, per_epoch=10) == 11
    costs = Costs(phases=costs.phases[:1], look_s=0.0, end_s=0.0)
    assert budget._cheapest(5, costs, config, rates, per_epoch=10) == (5, pytest.approx(0.5))
