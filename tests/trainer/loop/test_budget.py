"""Time budgets: steps that fit into what was measured, a trial without a trace, and one line where it is too short."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from artifact.errors import UsageError
from tests.shared.shapes_run import fit_small, lines_of
from trainer.config.config import make_config
from trainer.config.progressive import smaller_steps
from trainer.config.rates import Rates, usual_rates
from trainer.config.settings import FreezeConfig, ProgressiveConfig
from trainer.loop import trial
from trainer.loop.budget import seconds_of, settle_length, steps_within
from trainer.loop.distributed import joined
from trainer.loop.preparation import prepare
from trainer.loop.trial import Costs, Phase, phase_starts, try_out
from trainer.networks.base_networks import build_base
from trainer.run.saved_run import read_config

CONFIG = make_config({"images": "x", "kind": "triplet", "loop": {"validate_every": 1}})
CONV4 = usual_rates("conv4", trained=False)


def _costs(*phases: tuple[int, float], look: float = 0.0) -> Costs:
    found = tuple(Phase(first_epoch=first, step_s=seconds) for first, seconds in phases)
    return Costs(phases=found, look_s=look, end_s=0.0)


@pytest.mark.parametrize("seconds", [0.05, 1.0, 7.3, 100.0, 4321.0])
@pytest.mark.parametrize(
    "costs",
    [_costs((0, 0.1)), _costs((0, 0.1), look=2.0), _costs((0, 0.01), (2, 0.2), (5, 0.4), look=0.5)],
    ids=["steps", "steps and looks", "phases"],
)
def test_steps_fit_and_one_more_does_not(seconds: float, costs: Costs) -> None:
    """Against a plain sum over steps; every epoch of 10 ends with a look at what is held out."""
    steps = steps_within(seconds, costs, CONFIG, CONV4, per_epoch=10)

    def plain(count: int) -> float:
        starts = [phase.first_epoch * 10 for phase in costs.phases]
        of_step = [max(at for at, start in enumerate(starts) if step >= start) for step in range(count)]
        return sum(costs.phases[at].step_s for at in of_step) + -(-count // 10) * costs.look_s

    assert plain(steps) <= seconds + 1e-9
    assert plain(steps + 1) > seconds - 1e-9
    if steps:
        assert seconds_of(steps, costs, CONFIG, CONV4, per_epoch=10) == pytest.approx(plain(steps))


@pytest.mark.parametrize("seconds", [0.05, 1.0, 2.9, 3.6, 7.3, 15.0, 100.0])
def test_steps_of_a_network_that_stands_still_at_first_are_the_most_that_fit(seconds: float) -> None:
    """Thirty of them, never the last epoch; a run of an epoch more may take less time, so all numbers are tried."""
    rates = Rates(adamw=1e-3, sgd=0.03, frozen_steps=30)
    costs = _costs((0, 0.01), (3, 0.2))

    def plain(count: int) -> float:
        frozen = 10 * min(3, -(-count // 10) - 1)
        return sum(0.01 if step < frozen else 0.2 for step in range(count))

    steps = steps_within(seconds, costs, CONFIG, rates, per_epoch=10)
    assert steps == max(count for count in range(1000) if plain(count) <= seconds + 1e-9)
    if steps:
        assert seconds_of(steps, costs, CONFIG, rates, per_epoch=10) == pytest.approx(plain(steps))
    given = CONFIG.model_copy(update={"freeze": FreezeConfig(epochs=3)})
    assert seconds_of(20, costs, given, rates, per_epoch=10) == pytest.approx(0.2)


def test_steps_in_smaller_images_count_less() -> None:
    """Against a plain sum: a step in smaller images at a third of its cost, in whichever phase it falls."""
    config = CONFIG.model_copy(update={"size": 64, "progressive": ProgressiveConfig(size=32, share=0.4)})
    costs = replace(_costs((0, 0.01), (2, 0.2)), smaller=1 / 3)
    for count in (1, 15, 40, 333):
        smaller = smaller_steps(config, count)
        plain = sum((0.01 if step < 20 else 0.2) * (1 / 3 if step < smaller else 1) for step in range(count))
        assert seconds_of(count, costs, config, CONV4, per_epoch=10) == pytest.approx(plain)
        assert steps_within(plain + 1e-9, costs, config, CONV4, per_epoch=10) == count


@pytest.mark.parametrize(
    ("freeze", "starts"),
    [
        ({}, [0]),
        ({"epochs": 2}, [0, 2]),
        ({"epochs": 2, "unfreeze_every": 3}, [0, 2, 5, 8, 11]),
        ({"unfreeze_every": 1}, [0, 1, 2, 3]),
        ({"epochs": 1_000_000}, [0]),
    ],
)
def test_phases_begin_where_stages_are_set_free(freeze: dict[str, int], starts: list[int]) -> None:
    """Of a network of four stages."""
    assert phase_starts(FreezeConfig(**freeze), 4) == starts


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"augment": {"rotate_deg": 0, "translate": 0, "scale": 0}, "freeze": {"epochs": 1, "unfreeze_every": 1}},
        {"sampling": {"images_per_class": 3}, "loop": {"average": 0.9, "accumulate": 3, "keep": "best"}},
        {"sampling": {"strategy": "rounds", "tuples_per_round": 40, "epochs_per_round": 2}},
        {"progressive": {"size": 16, "share": 0.5}},
    ],
    ids=["plain", "frozen features", "average and accumulation", "rounds", "smaller images first"],
)
def test_run_with_minutes_is_the_run_of_its_steps(shapes: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    """The trial leaves no trace: the same bytes as with the steps of config.yaml, whole, and cut and resumed."""
    open_length = {"epochs": None} | values
    with pytest.MonkeyPatch.context() as patch:  # a machine on which more than some steps never fit
        patch.setattr("trainer.loop.budget.steps_within", lambda *_, **__: 17)
        patch.setattr("trainer.loop.budget.TRIAL_SHARE", 1e-3)
        timed = fit_small(shapes, tmp_path / "timed", minutes=5, **open_length)

        def stop(event: dict[str, Any]) -> None:
            if event["event"] == "step" and event["step"] == 15:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fit_small(shapes, tmp_path / "cut", minutes=5, report=stop, **open_length)
    written = yaml.safe_load((tmp_path / "cut" / "config.yaml").read_text())
    assert (written["steps"], written["minutes"]) == (17, None)
    counted = fit_small(shapes, tmp_path / "counted", steps=17, **open_length)
    resumed = fit_small(shapes, tmp_path / "cut", minutes=5, resume=True, **open_length)
    assert read_config(timed.path) == read_config(counted.path) == read_config(resumed.path)
    assert timed.checkpoint_sha256 == counted.checkpoint_sha256 == resumed.checkpoint_sha256
    assert lines_of(timed.path) == lines_of(counted.path) == lines_of(resumed.path)
    assert lines_of(timed.path)[-1]["step"] == 17
    assert timed.facts["budget"]["steps"] == 17
    assert "budget" not in counted.facts


def test_minutes_leave_time_for_all_layers_of_trained_weights(shapes: Path, tmp_path: Path) -> None:
    """About a hundred steps were to be frozen; of seventeen the last epoch is not, as in the run of its steps."""
    weights = tmp_path / "w.safetensors"
    save_file(build_base("test_resnet", size=32).module.state_dict(), weights)
    values = {"base": "test_resnet", "weights": weights, "size": 32, "epochs": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.loop.budget.steps_within", lambda *_, **__: 17)
        patch.setattr("trainer.loop.budget.TRIAL_SHARE", 1e-3)
        timed = fit_small(shapes, tmp_path / "timed", minutes=5, **values)
    counted = fit_small(shapes, tmp_path / "counted", steps=17, **values)
    assert timed.config == counted.config
    assert timed.config.freeze.epochs == timed.config.epochs - 1 > 0  # type: ignore[operator]
    assert timed.checkpoint_sha256 == counted.checkpoint_sha256
    assert lines_of(timed.path) == lines_of(counted.path)


@pytest.mark.parametrize("validation", [None, "none"])
def test_trial_leaves_the_run_as_it_was(shapes: Path, tmp_path: Path, validation: str | None) -> None:
    """Weights, statistics and torch's generator to the bit; what is measured is above nothing, if it is there."""
    values = {"images": shapes, "kind": "triplet", "dim": 8, "size": 24, "minutes": 1, "max_disk_mb": 0}
    values |= {"validation": validation}
    with joined("cpu") as ranks:
        prepared = prepare(make_config(values), report=lambda event: None)
        before = {name: value.clone() for name, value in prepared.base.module.state_dict().items()}
        state = torch.random.get_rng_state()
        costs = try_out(prepared, ranks, tmp_path, allowance_s=0.2, budget_s=60)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in prepared.base.module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in prepared.base.module.parameters())
    assert min(costs.end_s, *(phase.step_s for phase in costs.phases)) > 0
    assert (costs.look_s > 0) == (validation is None)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("minutes", "words"), [(1e-6, "for reading alone took"), (0.01, "5 steps ")])
def test_budget_that_is_too_short_is_refused_in_one_line(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: float, words: str
) -> None:
    """What was spent, what a few steps and the end take, and the option; nothing is written."""
    monkeypatch.setattr(trial, "_time_rest", lambda *_, **__: (1.0, 1.0))
    if minutes > 0.001:  # however fast this machine reads
        monkeypatch.setattr("trainer.loop.budget._require_time", lambda *_: None)
    with pytest.raises(UsageError) as caught:
        fit_small(shapes, tmp_path / "run", minutes=minutes, epochs=None)
    assert str(caught.value).startswith("minutes: expected ")
    assert words in str(caught.value)
    assert str(caught.value).endswith(f", got {minutes:g} (--minutes)")
    assert not (tmp_path / "run").exists()


def test_network_that_cannot_be_copied_is_refused(shapes: Path, tmp_path: Path) -> None:
    """A user's own module may hold anything; it trains with --epochs."""

    class Uncopied(torch.nn.Identity):
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("a lock")

    values = {"images": shapes, "kind": "triplet", "dim": 8, "size": 24, "minutes": 1, "max_disk_mb": 0}
    with joined("cpu") as ranks:
        prepared = prepare(make_config(values), report=lambda event: None)
        prepared.base.module.add_module("odd", Uncopied())
        with pytest.raises(UsageError, match=r"copied for a trial \(a lock\); use --epochs$"):
            settle_length(prepared, ranks, tmp_path, started=time.monotonic())


def test_steps_end_the_last_epoch_early(shapes: Path, tmp_path: Path) -> None:
    """So many step events, a schedule that ends with them, and the end foretold."""
    events: list[dict[str, Any]] = []
    run = fit_small(shapes, tmp_path / "run", epochs=None, steps=13, report=events.append)
    steps = [event for event in events if event["event"] == "step"]
    assert [event["step"] for event in steps] == list(range(1, 14))
    assert {event["steps"] for event in steps} == {13}
    assert steps[-1]["learning_rate"] < 0.1 * max(event["learning_rate"] for event in steps)
    assert [event["eta_s"] > 0 for event in steps] == [True] * 12 + [False]
    [length] = [event for event in events if event["event"] == "length"]
    per_epoch = length["per_epoch"]
    assert (length["steps"], length["epochs"]) == (13, run.config.epochs) == (13, -(-13 // per_epoch))
    assert 13 % per_epoch
    facts = json.loads((run.path / "facts.json").read_text())
    assert (facts["metrics"]["step"], facts["metrics"]["epoch"]) == (13, run.config.epochs)
