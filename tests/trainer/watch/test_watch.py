"""Hints and the collapse guard against recorded runs: Conv4 on 4,000 digits, some of them spoilt on purpose."""

import json
import math
from typing import Any

import pytest
import torch

from artifact.errors import TrainingError
from artifact.losses import LOSSES
from tests.shared.places import DATA
from trainer.config.config import TrainConfig, make_config
from trainer.objective.mining import MINERS
from trainer.objective.objective import Objective
from trainer.watch.collapse import CollapseGuard, collapse_advice, higher_rate, is_point, lower_rate, resting_loss
from trainer.watch.hints import HARDER_MINERS, Watch

RUNS: dict[str, Any] = json.loads((DATA / "watched_runs.json").read_text())

SOUND = [name for name, run in RUNS.items() if run["hint"] is None]
SPOILT = {name: run["hint"] for name, run in RUNS.items() if run["hint"] is not None}


def _config(name: str, **changes: Any) -> TrainConfig:
    return make_config({"images": "digits", "sampling": {"strategy": "balanced"}} | RUNS[name]["config"] | changes)


def _lines(name: str) -> list[dict[str, Any]]:
    run = RUNS[name]
    return [dict(zip(run["columns"], row, strict=True)) for row in run["rows"]]


@pytest.mark.parametrize("name", SPOILT)
def test_watch_says_what_is_wrong_with_a_spoilt_run(name: str) -> None:
    """Each way of spoiling a run gets its own advice, and only that."""
    said = Watch(_config(name), _lines(name)).hints
    assert len(said) == 1, said
    assert SPOILT[name] in said[0]


@pytest.mark.parametrize("name", SOUND)
def test_watch_is_silent_about_a_sound_run(name: str) -> None:
    """Runs with default settings, and runs that got there in spite of odd ones, need no advice."""
    assert Watch(_config(name), _lines(name)).hints == []


def test_recorded_runs_hold_both_sorts() -> None:
    """The tests above would pass on nothing."""
    assert len(SOUND) >= 4
    assert len(SPOILT) >= 6


@pytest.mark.parametrize("name", SPOILT)
def test_hints_of_a_resumed_run_are_those_of_an_uninterrupted_one(name: str) -> None:
    """Continued after any epoch, the rest of the run says the same at the same epochs, and nothing twice."""
    config, lines = _config(name), _lines(name)
    whole = Watch(config)
    said = [whole.epoch(line) for line in lines]
    for cut in range(len(lines)):
        resumed = Watch(config, lines[:cut])
        assert [resumed.epoch(line) for line in lines[cut:]] == said[cut:]
        assert resumed.hints == whole.hints


def test_hints_name_settings_that_exist() -> None:
    """Advice can be typed as it stands: every --set in it is a known key, every option one of train's."""
    from trainer.config.complaints import setting_keys

    options = {"--loss", "--margin", "--mining", "--normalize", "--distance", "--epochs", "--set"}
    for name in SPOILT:
        words = " ".join(Watch(_config(name), _lines(name)).hints).replace("(", " ").replace(")", " ").split()
        assert {word for word in words if word.startswith("--")} <= options
        keys = [words[at + 1].split("=")[0] for at, word in enumerate(words) if word == "--set"]
        assert set(keys) <= set(setting_keys(TrainConfig))


def _line(epoch: int, **values: float) -> dict[str, float]:
    return {"epoch": epoch, "loss": 0.5, "pct_active": 20.0, "pct_correct": 97.0} | values


@pytest.mark.parametrize(
    ("strategy", "advice"),
    [
        ("balanced", "try --mining semi_hard or batch_hard"),
        ("rounds", "try --set sampling.strategy=balanced --mining semi_hard or batch_hard"),
        ("tuples", "the table needs tuples whose negatives look more like the anchor"),
    ],
)
def test_hint_on_easy_tuples_fits_where_tuples_come_from(strategy: str, advice: str) -> None:
    """Tuples that are drawn cannot be mined harder; the advice says what can be done instead."""
    said = Watch(_config("few_images", sampling={"strategy": strategy}), _lines("few_images")).hints
    assert [hint.split("; ")[1] for hint in said] == [advice]


def test_watch_goes_by_the_order_of_tuples_where_nothing_is_held_out() -> None:
    """The loss falls and % correct does not rise: the margin, unless the tuples are the hardest ones anyway."""
    lines = [_line(at, loss=20 - at, pct_correct=80.0, mean_positive=1.0, mean_negative=4.0) for at in range(1, 6)]
    large = {"margin": 20.0}
    assert ["try --margin 1" in hint for hint in Watch(_config("default_triplet", **large), lines).hints] == [True]
    pairs = _config("default_triplet", loss="contrastive_linear", **large)  # a margin alone would be one of triplets
    assert ["try --loss contrastive_linear --margin 1" in hint for hint in Watch(pairs, lines).hints] == [True]
    assert Watch(_config("default_triplet", mining="batch_hard", **large), lines).hints == []
    rising = [line | {"pct_correct": 70.0 + 3 * line["epoch"]} for line in lines]
    assert Watch(_config("default_triplet", **large), rising).hints == []


def test_few_held_out_images_say_nothing_of_memorising() -> None:
    """One of twenty found less is five points, and chance; of two thousand it is none."""
    config = _config("default_triplet")
    recall = [0.70, 0.80, 0.78, 0.77, 0.75, 0.74]
    for queries, said in ((20, False), (2000, True)):
        lines = [_line(at + 1, pct_correct=95 + 0.5 * at) | {"recall@1": value} for at, value in enumerate(recall)]
        hints = Watch(config, [line | {"num_queries": queries} for line in lines]).hints
        assert any("memorised" in hint for hint in hints) == said


def test_epochs_of_few_steps_are_no_trend() -> None:
    """What three long epochs tell, three of a step or two do not; 36 of a step do, and say so."""
    config = _config("default_triplet", margin=20.0)
    trend = [{"loss": 20.0 - at, "pct_correct": 80.0, "mean_positive": 1.0, "mean_negative": 4.0} for at in range(5)]
    long = [_line(at + 1, step=40.0 * (at + 1), **line) for at, line in enumerate(trend)]
    short = [_line(at + 1, step=1.0 * (at + 1), **trend[at // 12]) for at in range(60)]
    assert ["in 3 epochs the loss fell" in hint for hint in Watch(config, long).hints] == [True]
    assert Watch(config, short[:36]).hints == []
    assert ["in 36 epochs the loss fell" in hint for hint in Watch(config, short).hints] == [True]


def test_watch_tells_memorising_from_learning() -> None:
    """Held-out recall that falls while training tuples get better; a fall of both is something else."""
    config = _config("default_triplet")
    recall = [0.70, 0.80, 0.78, 0.77, 0.75, 0.74]
    better = [_line(at + 1, pct_correct=95 + 0.5 * at) | {"recall@1": value} for at, value in enumerate(recall)]
    worse = [_line(at + 1, pct_correct=99 - 0.5 * at) | {"recall@1": value} for at, value in enumerate(recall)]
    assert ["memorised" in hint for hint in Watch(config, better).hints] == [True]
    assert "since epoch 2" in Watch(config, better).hints[0]
    assert Watch(config, worse).hints == []


def test_watch_takes_held_out_tuples_where_there_is_no_recall() -> None:
    """Tables of tuples have no classes to retrieve; their share of held-out tuples in order counts instead."""
    config = _config("default_triplet")
    held_out = [70.0, 80.0, 78.0, 77.0, 75.0, 74.0]
    lines = [_line(at + 1, pct_correct=95 + 0.5 * at, held_out_pct_correct=v) for at, v in enumerate(held_out)]
    assert ["memorised" in hint for hint in Watch(config, lines).hints] == [True]


def test_watch_takes_what_attributes_find_of_two_towers() -> None:
    """There is neither recall nor a share of tuples; and harder negatives are an option there, no other table."""
    found = [0.70, 0.80, 0.78, 0.77, 0.75, 0.74]
    lines = [_line(at + 1, pct_correct=95 + 0.5 * at, attribute_mAP=v) for at, v in enumerate(found)]
    assert ["memorised" in hint for hint in Watch(_config("default_triplet"), lines).hints] == [True]
    few = [line | {"num_attribute_queries": 9} for line in lines]
    assert Watch(_config("default_triplet"), few).hints == []
    easy = [_line(at + 1, pct_easy=97.0, attribute_mAP=0.3) for at in range(6)]
    for negatives, advice in ((None, "try --negatives flipped:1"), ("flipped:2", "images that differ in fewer")):
        towers = {"attributes": ["color", "size"], "negatives": negatives, "sampling": {"strategy": "tuples"}}
        (hint,) = Watch(_config("default_triplet", **towers), easy).hints
        assert advice in hint


def test_watch_sees_a_loss_that_rises() -> None:
    """The loss doubles and the order is lost."""
    lines = [_line(1, pct_correct=80), _line(2, pct_correct=85, loss=0.4), _line(3, pct_correct=60, loss=0.9)]
    said = Watch(_config("default_triplet"), lines).hints
    assert len(said) == 1
    assert "risen from 0.4 to 0.9" in said[0]
    assert "optimizer.learning_rate=0.0001" in said[0]


def test_watch_bears_lines_that_lack_numbers() -> None:
    """A run without held-out images, with NaN or with null among its numbers is watched all the same."""
    config = _config("default_triplet")
    lines: list[dict[str, Any]] = [
        {"epoch": at + 1, "loss": math.nan, "pct_active": None, "pct_correct": None, "recall@1": None}
        for at in range(6)
    ]
    assert Watch(config, lines).hints == []
    assert Watch(config, [{"epoch": at} for at in range(6)]).hints == []


def test_watch_stays_cheap_in_a_run_of_many_epochs() -> None:
    """What is remembered is bounded, so an epoch costs the same however many there were."""
    watch = Watch(_config("default_triplet"), [_line(at, **{"recall@1": 0.99}) for at in range(2_000)])
    assert len(watch._recent) < 100
    assert len(watch._validated) < 100


LOSS_CASES = [
    ("siamese", "contrastive"),
    ("siamese", "contrastive_linear"),
    ("triplet", "triplet"),
    ("triplet", "triplet_soft"),
    ("triplet", "triplet_capped"),
    ("quartet", "quadruplet"),
    ("quartet", "dlpy"),
]


@pytest.mark.parametrize(("kind", "loss"), LOSS_CASES)
def test_resting_loss_is_the_loss_of_equal_vectors(kind: str, loss: str) -> None:
    """The objective itself, of a batch whose vectors are all one point."""
    config = make_config({"images": "x", "kind": kind, "loss": loss, "margin": 0.7, "margin2": 0.3, "mining": "all"})
    config = config.model_copy(update={"cap": 1.4})
    objective = Objective(loss=LOSSES[loss], distance="euclidean", mining="all", margin=0.7, margin2=0.3)
    outcome = objective(torch.ones(9, 4), torch.arange(9) // 3)
    assert resting_loss(config) == pytest.approx(float(outcome.loss), rel=1e-6)


@pytest.mark.parametrize("name", [name for name in RUNS if name.startswith("collapse")])
def test_collapse_guard_stops_a_recorded_collapse(name: str) -> None:
    """Fed the steps of a run that collapsed, it stops it with the settings to change."""
    guard = CollapseGuard(_config(name, loop={"max_collapsed_steps": 50}))
    steps = iter(RUNS[name]["steps"])
    while guard.collapsed_steps < 49:
        guard.step(*next(steps))
    with pytest.raises(TrainingError, match=r"^collapse: .* for 50 steps.*try --mining all or --set") as caught:
        guard.step(*next(steps))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in RUNS if not name.startswith("collapse")])
def test_collapse_guard_lets_all_other_runs_go_on(name: str) -> None:
    """Neither a sound start nor a margin of 1,000 looks like a collapse for more than a moment."""
    guard = CollapseGuard(_config(name))
    longest = 0
    for mean_distance, loss in RUNS[name]["steps"]:
        guard.step(mean_distance, loss)
        longest = max(longest, guard.collapsed_steps)
    assert longest < 25


def test_collapse_guard_counts_steps_in_a_row_and_goes_on_from_a_saved_count() -> None:
    """One step apart starts the count again; a resumed guard stops at the same step."""
    config = _config("default_triplet", loop={"max_collapsed_steps": 30})
    guard = CollapseGuard(config)
    guard.step(1e-4, 1.0, steps=10)
    guard.step(2.0, 0.4, steps=10)
    assert guard.collapsed_steps == 0
    guard.step(1e-4, 1.0, steps=10)
    guard.step(1e-4, 1.0, steps=10)
    resumed = CollapseGuard(config, collapsed_steps=guard.collapsed_steps)
    with pytest.raises(TrainingError, match="30 steps"):
        resumed.step(1e-4, 1.0, steps=10)


def test_collapse_guard_of_zero_steps_never_stops() -> None:
    """max_collapsed_steps=0 is off."""
    guard = CollapseGuard(_config("default_triplet", loop={"max_collapsed_steps": 0}))
    for _ in range(1_000):
        guard.step(0.0, 1.0)


def test_a_point_is_small_beside_the_margin_and_has_the_loss_of_equal_vectors() -> None:
    """Close vectors whose loss is already low are well placed, whatever the margin; NaN is no point."""
    config = _config("default_triplet")
    assert is_point(0.001, 1.0, config)
    assert not is_point(0.001, 0.5, config)
    assert not is_point(0.02, 1.0, config)
    assert not is_point(math.nan, 1.0, config)


def test_collapse_advice_names_only_what_the_run_has_not_got() -> None:
    """No --mining all for a run that mines all, no --normalize for one on the sphere."""
    assert collapse_advice(_config("default_triplet")) == ["--set optimizer.learning_rate=0.0001", "--normalize"]
    squared = _config("default_triplet", distance="squared_euclidean", mining="batch_hard", normalize=True)
    assert collapse_advice(squared) == ["--mining all", "--set optimizer.learning_rate=0.0001", "--distance euclidean"]


@pytest.mark.parametrize(
    ("optimizer", "rate", "lower", "higher"),
    [
        ("adamw", 1e-3, 1e-4, 1e-2),
        ("adamw", 3.0, 1e-3, 30.0),
        ("adamw", 1e-6, 1e-7, 1e-3),
        ("sgd", 0.03, 0.003, 0.3),
        ("sgd", 100.0, 0.03, 1000.0),
        ("sgd", 1e-3, 1e-4, 0.03),
    ],
)
def test_rates_that_are_advised_go_by_the_optimizer(optimizer: str, rate: float, lower: float, higher: float) -> None:
    """A tenth or ten times; far off, the one that is usual for that optimizer."""
    config = _config("default_triplet", optimizer={"name": optimizer, "learning_rate": rate})
    assert (lower_rate(config), higher_rate(config)) == (pytest.approx(lower), pytest.approx(higher))


def test_miners_that_are_advised_exist() -> None:
    """Whatever the loss's form, for hints know no miner by anything but its name."""
    for miners in MINERS.values():
        assert set(HARDER_MINERS) <= set(miners)
