"""Settings that follow from network and images, in runs that go on: as those began, whatever would be chosen now."""

from pathlib import Path
from typing import Any

import pytest
import torch

from artifact.errors import RunError
from tests.shared.shapes_run import fit_small
from trainer.config.config import TrainConfig, make_config
from trainer.config.continuing import continued
from trainer.networks.base_networks import build_base
from trainer.networks.pooling import FlattenPooling
from trainer.networks.timm_networks import TimmNetwork
from trainer.run.saved_run import load_run, read_config

CHOSEN = ("base", "size", "pooling", "optimizer.learning_rate", "optimizer.base_rate", "freeze.epochs")


def _value(config: TrainConfig, key: str) -> Any:
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def test_what_is_chosen_of_a_network_is_as_the_run_began() -> None:
    """Every setting that follows from network and images; what is given stays."""
    begun = _config(
        base="resnet18",
        size=176,
        pooling="gem",
        optimizer={"name": "sgd", "learning_rate": 0.007, "base_rate": 0.6},
        freeze={"epochs": 3},
    )
    config = continued(_config(optimizer={"name": "sgd"}), begun)
    assert [_value(config, key) for key in CHOSEN] == [_value(begun, key) for key in CHOSEN]
    config = continued(_config(size=64, optimizer={"learning_rate": 0.5}, freeze={"epochs": 0}), begun)
    assert (config.size, config.optimizer.learning_rate, config.freeze.epochs) == (64, 0.5, 0)


def _config(**values: Any) -> TrainConfig:
    return make_config({"images": "photos", "kind": "triplet"} | values)


def _until_epoch(number: int) -> Any:
    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == number:
            raise KeyboardInterrupt

    return stop


def test_a_run_of_before_goes_on_as_it_was(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timm network larger than its images, its small map averaged, sgd at AdamW's rate: left open, it meant that."""
    sgd = {"name": "sgd", "learning_rate": 0.001}
    monkeypatch.setattr(TimmNetwork, "has_small_map", lambda network: False)
    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "run", report=_until_epoch(1), base="test_resnet", size=96, optimizer=sgd)
    assert read_config(tmp_path / "run").pooling is None
    monkeypatch.undo()
    same = {"base": "test_resnet", "size": None, "optimizer": {"name": "sgd"}}
    run = fit_small(shapes, tmp_path / "run", resume=True, **same)
    assert (run.config.size, run.config.pooling, run.config.optimizer.learning_rate) == (96, None, 0.001)
    with pytest.raises(RunError, match=r"expected an unfinished run, got a finished run"):
        fit_small(shapes, tmp_path / "run", resume=True, **same)


def test_chosen_settings_stand_in_the_run_and_are_found_again(shapes: Path, tmp_path: Path) -> None:
    """config.yaml leaves nothing open; a run read back is the network that was trained, flattened map included."""
    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "run", report=_until_epoch(1), base="test_resnet", size=None)
    config = read_config(tmp_path / "run")
    assert [_value(config, key) for key in CHOSEN] == ["test_resnet", 32, None, 3e-3, 1.0, 0]
    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "flat", report=_until_epoch(1), base="test_resnet", size=64)
    assert read_config(tmp_path / "flat").pooling == "flatten"
    resumed = fit_small(shapes, tmp_path / "flat", resume=True, base="test_resnet", size=64)
    again = load_run(tmp_path / "flat")
    assert resumed.checkpoint_sha256 == again.checkpoint_sha256
    assert isinstance(again.branch.get_submodule("base.pooling"), FlattenPooling)
    goes_on = build_base("test_resnet", size=64, weights=again.path / "checkpoint.safetensors")
    taken = again.branch.get_submodule("base.network.network").state_dict()
    assert all(torch.equal(value, taken[key]) for key, value in goes_on.module.state_dict().items())


def test_precision_that_was_left_open_is_that_of_the_first_device(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run goes on on a device without bf16; asked for by name, another precision is refused."""
    monkeypatch.setattr("trainer.weights.precision._has_native_bf16", lambda device: True)
    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "run", report=_until_epoch(1))
    assert read_config(tmp_path / "run").loop.precision == "bf16"
    monkeypatch.setattr("trainer.weights.precision._has_native_bf16", lambda device: False)
    with pytest.raises(RunError, match=r"^loop.precision of the run to resume: expected bf16, got fp32"):
        fit_small(shapes, tmp_path / "run", resume=True, loop={"precision": "fp32"})
    assert fit_small(shapes, tmp_path / "run", resume=True).config.loop.precision == "bf16"


def test_another_length_is_refused_by_name(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes of another number or of a run without any, and steps of a run of epochs."""
    monkeypatch.setattr("trainer.loop.budget.steps_within", lambda *_, **__: 17)
    monkeypatch.setattr("trainer.loop.budget.TRIAL_SHARE", 1e-3)
    for name, values in (("timed", {"minutes": 5.00001, "epochs": None}), ("counted", {})):
        with pytest.raises(KeyboardInterrupt):
            fit_small(shapes, tmp_path / name, report=_until_epoch(1), **values)
    for name, values, words in (
        ("timed", {"minutes": 4, "epochs": None}, "minutes of the run to resume: expected 5, got 4"),
        ("counted", {"minutes": 4, "epochs": None}, "minutes of the run to resume: expected none, got 4"),
        ("counted", {"steps": 24, "epochs": None}, "steps of the run to resume: expected none, got 24"),
        ("counted", {"epochs": 5}, "epochs of the run to resume: expected 2, got 5"),
        ("timed", {"epochs": 5}, "epochs of the run to resume: expected 4, got 5"),
    ):
        with pytest.raises(RunError) as caught:
            fit_small(shapes, tmp_path / name, resume=True, **values)
        assert str(caught.value).startswith(words)
    run = fit_small(shapes, tmp_path / "timed", resume=True, minutes=5.00001, epochs=None)
    assert run.facts["metrics"]["step"] == 17
