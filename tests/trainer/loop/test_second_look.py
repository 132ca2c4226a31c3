"""The second look at a time budget: a run whose trial was disturbed begins again, and is then like any other."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.shared.shapes_run import fit_small, lines_of
from trainer.config.config import make_config
from trainer.config.length import with_length
from trainer.config.settings import ProgressiveConfig
from trainer.loop import second_look, trial
from trainer.loop.budget import Budget
from trainer.loop.preparation import Prepared
from trainer.loop.second_look import BeginsAgain, SecondLook
from trainer.loop.training import Training
from trainer.loop.trial import Costs, Phase
from trainer.run.saved_run import read_config

MINUTES, STEPS, PER_EPOCH = 1.0, 600, 10
"""600 steps of .1 s fill a minute; a window is 1.8 s."""
STILL_OPEN = make_config({"images": "x", "kind": "triplet", "minutes": MINUTES, "loop": {"validate_every": 1}})


@dataclass(frozen=True)
class Open:
    """What a look needs of a preparation."""

    config: Any
    base: Any = field(default_factory=lambda: SimpleNamespace(family="conv4", trained=False))


class Clock:
    """A clock that steps advance, and what a look said at which step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.messages = 0.0, list[str]()
        monkeypatch.setattr(second_look.time, "monotonic", lambda: self.now)

    def run(
        self, seconds_of: Callable[[int], float], *, smaller: float = 0.0, looks_s: float = 0.0
    ) -> tuple[int, int] | None:
        """(step at which a run began again, the steps that it said would fit), or None where it went to its end."""
        config = with_length(STILL_OPEN.model_copy(update={"minutes": None, "steps": STEPS}), per_epoch=PER_EPOCH)
        costs = Costs(phases=(Phase(first_epoch=0, step_s=0.1),), look_s=0.0, end_s=0.0)
        if smaller:
            config = config.model_copy(update={"size": 64, "progressive": ProgressiveConfig(size=32, share=smaller)})
            costs = replace(costs, smaller=0.25)
        budget = Budget(minutes=MINUTES, steps=STEPS, spent_s=0.0, step_s=0.1, look_s=0.0, end_s=0.0, costs=costs)
        batches = SimpleNamespace(per_epoch=PER_EPOCH)
        training = cast(Training, SimpleNamespace(config=config, num_steps=STEPS, batches=batches))
        look = SecondLook(
            lambda event: self.messages.append(event["message"]) if event["event"] == "note" else None,
            training,
            still_open=cast(Prepared, Open(STILL_OPEN)),
            budget=budget,
            started=0.0,
        )
        for step in range(1, STEPS + 1):
            self.now += seconds_of(step)
            try:
                look({"event": "step", "step": step})
                if step % PER_EPOCH == 0:
                    self.now += looks_s
                    look({"event": "epoch", "step": step})
            except BeginsAgain:
                return step, int(self.messages[-1].partition("so some ")[2].split()[0].replace(",", ""))
        return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_steps_as_long_as_tried_change_nothing(clock: Clock) -> None:
    """Nor do those that are somewhat shorter, or longer."""
    for seconds in (0.1, 0.07, 0.5):
        assert clock.run(lambda _, seconds=seconds: seconds) is None
    assert clock.messages == []


def test_run_of_much_shorter_steps_begins_again(clock: Clock) -> None:
    """After two windows, which no epoch cuts off, with the steps that fit into the time that is left."""
    found = clock.run(lambda step: 0.04 if step > 9 else 0.2)
    assert found is not None
    step, steps = found
    assert step == pytest.approx(9 + 45 + 45, abs=3)  # the first window of 1.8 s has the slow steps
    assert steps == pytest.approx((60 - 3 * 1.8) * 0.98 / 0.04, rel=0.01)
    tried = "steps take 40% of what they took when they were tried"
    assert clock.messages == [f"{tried}, so some {steps:,} fit and not 600: the run begins again"]


def test_disturbance_that_lasts_into_the_run_is_noticed_when_it_ends(clock: Clock) -> None:
    """Slow until step 100."""
    found = clock.run(lambda step: 0.1 if step <= 100 else 0.03)
    assert found is not None
    assert 100 < found[0] < 200
    assert found[1] == pytest.approx((60 - 14) * 0.98 / 0.03, rel=0.03)


def test_late_or_small_gains_are_left_alone(clock: Clock) -> None:
    """A run of which a third is done goes on; and one in which most of the time has gone."""
    assert clock.run(lambda step: 0.1 if step <= 210 else 0.01) is None
    assert clock.run(lambda step: 0.28 if step <= 130 else 0.055) is None


def test_looks_at_what_is_held_out_are_no_steps(clock: Clock) -> None:
    """With looks of half a second between epochs of .4 s the steps are still much faster than was tried."""
    assert clock.run(lambda _: 0.04, looks_s=0.5) is not None
    assert clock.run(lambda _: 0.1, looks_s=5.0) is None


def test_steps_in_smaller_images_are_expected_to_be_short(clock: Clock) -> None:
    """A quarter of a step in full is no gain; a tenth is one."""
    assert clock.run(lambda _: 0.025, smaller=0.9) is None
    assert clock.run(lambda _: 0.01, smaller=0.9) is not None


def test_run_that_begins_again_is_the_run_of_its_steps(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a trial that was ten times too slow: the bytes of as many steps, and nothing left of the first start."""
    real = trial.try_out
    tried: list[Costs] = []

    def disturbed(*arguments: Any, **options: Any) -> Costs:
        costs = real(*arguments, **options)
        tried.append(costs)
        if len(tried) > 1:
            return costs
        return replace(costs, phases=tuple(replace(phase, step_s=10 * phase.step_s) for phase in costs.phases))

    monkeypatch.setattr("trainer.loop.budget.try_out", disturbed)
    monkeypatch.setattr(second_look, "_STEPS_OF_WINDOW", 1)  # for a run of some fifty steps, on a busy machine of fewer
    events: list[dict[str, Any]] = []
    options: dict[str, Any] = {"epochs": None, "loop": {"save_every_s": 0.001, "tensorboard": False}}
    timed = fit_small(shapes, tmp_path / "timed", minutes=0.2, report=events.append, **options)
    lengths = [event["steps"] for event in events if event["event"] == "length"]
    assert len(lengths) == 2
    assert lengths[1] >= second_look.MORE * lengths[0]
    assert timed.facts["budget"]["steps"] == lengths[1] == read_config(timed.path).steps
    counted = fit_small(shapes, tmp_path / "counted", steps=lengths[1], **options)
    assert read_config(timed.path) == read_config(counted.path)
    assert timed.checkpoint_sha256 == counted.checkpoint_sha256
    assert lines_of(timed.path) == lines_of(counted.path)
    assert not (timed.path / "state.safetensors").exists()


def test_interruption_is_heard_when_the_run_begins_again(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the very step of the second look ends the run, and does not begin another."""
    real = trial.try_out

    def disturbed(*arguments: Any, **options: Any) -> Costs:
        costs = real(*arguments, **options)
        return replace(costs, phases=tuple(replace(phase, step_s=10 * phase.step_s) for phase in costs.phases))

    def interrupting(event: Mapping[str, Any]) -> None:
        if "begins again" in event.get("message", ""):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("trainer.loop.budget.try_out", disturbed)
    monkeypatch.setattr(second_look, "_STEPS_OF_WINDOW", 1)
    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "run", minutes=0.2, report=interrupting, epochs=None)
