"""Settings that nothing would look at: refused by their name, before a run is begun, and never where one goes on."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import UsageError
from tests.shared.attribute_run import fit_towers, write_squares
from tests.shared.shapes_run import lines_of
from trainer.config.checks import check_idle, check_idle_sampling, told_untrained
from trainer.config.config import TrainConfig, make_config
from trainer.config.settings import BALANCED, ROUNDS, TUPLES
from trainer.loop.fit import fit

SAMPLING = {
    "classes_per_batch": (BALANCED,),
    "images_per_class": (BALANCED,),
    "tuples_per_batch": (ROUNDS, TUPLES),
    "tuples_per_round": (ROUNDS,),
    "epochs_per_round": (ROUNDS,),
}
"""And the strategies that look at them."""

TOWERS: dict[str, Any] = {
    "width": 5,
    "images_per_batch": 7,
    "temperature": 0.3,
    "partial_share": 0.1,
    "both_ways": False,
}


def _config(**values: Any) -> TrainConfig:
    return make_config({"images": "table.csv", "kind": "triplet"} | values)


def _refusal(check: Any, config: TrainConfig, **how: str) -> str | None:
    try:
        check(config, **how)
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize("strategy", [BALANCED, ROUNDS, TUPLES])
@pytest.mark.parametrize("name", list(SAMPLING))
def test_settings_of_other_batches_are_refused(name: str, strategy: str) -> None:
    """What the strategy looks at is taken, and so are defaults that are written out."""
    told = _refusal(check_idle_sampling, _config(sampling={name: 5}), strategy=strategy)
    if strategy in SAMPLING[name]:
        assert told is None
    else:
        images = "a table of tuples" if strategy == TUPLES else f"sampling.strategy {strategy}"
        assert told is not None
        assert told.startswith(f"sampling.{name}: expected sampling.strategy {SAMPLING[name][0]}")
        assert told.endswith(f", got 5 for {images} (--set sampling.{name}=...)")
    default = _config().sampling.model_dump()[name]
    assert _refusal(check_idle_sampling, _config(sampling={name: default}), strategy=strategy) is None
    told = _refusal(check_idle_sampling, _config(sampling={name: 5}, attributes=["color"]), strategy=TUPLES)
    assert told is not None
    assert " got 5 for images with attributes (" in told


@pytest.mark.parametrize("name", list(TOWERS))
def test_settings_of_towers_without_attributes_are_refused(name: str) -> None:
    """Every one that there is; with attributes they are taken, the temperature by the softmax alone."""
    assert set(TOWERS) == set(_config().towers.model_dump())
    config = _config(towers={name: TOWERS[name]})
    assert _refusal(check_idle, config, loss="softmax") == (
        f"towers.{name}: expected --attributes beside it, got {TOWERS[name]} alone (--set towers.{name}=...)"
    )
    config = _config(towers={name: TOWERS[name]}, attributes=["color"])
    assert _refusal(check_idle, config, loss="softmax") is None
    assert _refusal(check_idle, config, loss="triplet") == (
        None
        if name != "temperature"
        else "towers.temperature: expected --loss softmax beside it, got 0.3 for --loss triplet "
        "(--set towers.temperature=...)"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampling": {"images_per_class": 4}}, "sampling.images_per_class: expected sampling.strategy balanced, got "),
        (
            {"margin": 0.2, "towers": {"temperature": 0.3}},
            "towers.temperature: expected --loss softmax beside it, got ",
        ),
        ({"attributes": [], "towers": {"width": 8}}, "towers.width: expected --attributes beside it, got 8 alone "),
    ],
)
def test_runs_with_idle_settings_leave_no_folder(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    """Refused before an image is read."""
    table = write_squares(tmp_path / "s", count=12)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        fit_towers(table, tmp_path / "run", **{"towers": {}} | settings)
    assert not (tmp_path / "run").exists()


def test_temperature_is_filled_in_for_the_softmax_alone(tmp_path: Path) -> None:
    """A run of a hinge that was begun when it was filled in for every loss goes on with it, and with idle batches."""
    table = write_squares(tmp_path / "s", count=60)
    assert fit_towers(table, tmp_path / "softmax", epochs=1).config.towers.temperature == pytest.approx(0.1)
    whole = fit_towers(table, tmp_path / "whole", loss="triplet")
    assert whole.config.towers.temperature is None

    def interrupt(event: Any) -> None:
        if event["event"] == "step" and event["step"] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit_towers(table, tmp_path / "cut", loss="triplet", report=interrupt)
    written = tmp_path / "cut" / "config.yaml"
    text = written.read_text()
    assert text.count("temperature: null") == text.count("classes_per_batch: null") == 1
    text = text.replace("temperature: null", "temperature: 0.1")
    written.write_text(text.replace("classes_per_batch: null", "classes_per_batch: 5"))
    resumed = fit_towers(table, tmp_path / "cut", loss="triplet", resume=True)
    assert resumed.config.towers.temperature == 0.1
    assert resumed.checkpoint_sha256 == whole.checkpoint_sha256
    assert lines_of(tmp_path / "cut") == lines_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({}, None),
        ({"head": "none"}, None),
        ({"head": "none", "loss": "triplet"}, "--loss"),
        ({"head": "none", "loss": "triplet", "margin": 0.3, "mining": "all"}, "--loss, --margin and --mining"),
        ({"head": "none", "augment": {"flip": True, "turns": True}}, "augment.flip and augment.turns"),
        ({"head": "pca", "loss": "triplet", "margin": 0.3}, None),
        ({"head": "pca", "normalize": True, "loss": "triplet"}, "--loss"),
        ({"head": "lda", "mining": "all", "augment": {"turns": True, "hue": 0.1}}, "--mining and augment.hue"),
    ],
)
def test_settings_of_training_are_told_where_nothing_is_trained(values: dict[str, Any], keys: str | None) -> None:
    """But those that decide something there all the same; with a step nothing is told."""
    told = told_untrained(_config(epochs=0, **values))
    assert told == (keys and f"with --epochs 0 nothing is trained, and no vector depends on {keys}")
    assert told_untrained(_config(epochs=1, **values)) is None


def test_a_run_without_images_tells_once_what_does_nothing(tmp_path: Path) -> None:
    """One warning, in facts.json too."""
    events: list[Any] = []
    config = make_config({"epochs": 0, "base": "conv4", "size": 24, "loss": "triplet", "augment": {"flip": True}})
    run = fit(config, tmp_path / "run", report=events.append)
    line = "with --epochs 0 nothing is trained, and no vector depends on --loss and augment.flip"
    assert [event["message"] for event in events if event["event"] == "warning"].count(line) == 1
    assert run.facts["warnings"].count(line) == 1
