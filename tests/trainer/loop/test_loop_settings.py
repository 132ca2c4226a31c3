"""Settings of the loop, each of which does what it says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.shared.shapes_run import fit_small, lines_of, write_shapes
from trainer.config.config import make_config
from trainer.loop.distributed import joined
from trainer.loop.epoch import _update_group
from trainer.loop.preparation import prepare
from trainer.loop.training import Training, make_training
from trainer.run.saved_run import Run, load_run
from trainer.weights.precision import InPrecision


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of 16 drawn images."""
    return write_shapes(tmp_path_factory.mktemp("loop") / "images", per_class=16)


SMALL: dict[str, Any] = {"size": 16, "epochs": 3, "sampling": {"images_per_class": 3}, "max_disk_mb": 0}


def _fit(images: Path, output: Path, *, report: Any = None, **values: Any) -> Run:
    return fit_small(images, output, report=report, **(SMALL | values))


def _training(images: Path, **values: Any) -> Training:
    """A run before its first step, in float32 and without a folder."""
    torch.manual_seed(0)
    settings = {"images": images, "kind": "triplet", "dim": 8, "loop": {"precision": "fp32"}}
    config = make_config(settings | SMALL | values)
    with joined("cpu") as ranks:
        return make_training(prepare(config, report=lambda event: None), ranks, images)


def test_update_groups_cover_an_epoch_that_is_no_multiple() -> None:
    """Seven batches by three: two full groups and one of a single batch, each ending with an update."""
    groups = [_update_group(batch, 7, 3) for batch in range(7)]
    assert groups == [(3, False), (3, False), (3, True), (3, False), (3, False), (3, True), (1, True)]


def test_accumulated_gradients_are_the_mean_of_their_batches(images: Path) -> None:
    """Two batches with one update move the weights along the mean of their two gradients."""
    values: dict[str, Any] = {"augment": {"rotate_deg": 0, "translate": 0, "scale": 0}, "base": "conv4"}
    training = _training(images, **values)
    batches = list(training.batches.epoch(0))[:2]
    alone = []
    for batch in batches:
        training = _training(images, **values)
        training.start_epoch()
        training.forward(batch, training.fetch(batch)).loss.backward()
        alone.append([p.grad.clone() for p in training.branch.parameters() if p.grad is not None])
    training = _training(images, **values)
    training.start_epoch()
    moved: list[torch.Tensor] = []
    step = training.optimizer.step

    def watch(*arguments: Any, **options: Any) -> Any:
        moved.extend(p.grad.clone() for p in training.branch.parameters() if p.grad is not None)
        return step(*arguments, **options)

    training.optimizer.step = watch  # type: ignore[method-assign]
    for index, batch in enumerate(batches):
        training.update(training.forward(batch, training.fetch(batch)).loss, group=2, is_last=index == 1)
    assert len(moved) == len(alone[0]) > 10
    for found, first, second in zip(moved, *alone, strict=True):
        torch.testing.assert_close(found, (first + second) / 2, rtol=1e-4, atol=1e-6)


def test_clip_norm_bounds_the_gradient_of_all_parameters(images: Path) -> None:
    """What the optimizer sees has the length that was asked for, in the direction it had."""
    training = _training(images, optimizer={"clip_norm": 1e-3})
    training.start_epoch()
    batch = next(iter(training.batches.epoch(0)))
    norms = []
    training.optimizer.step = lambda *a, **k: norms.append(  # type: ignore[method-assign,assignment]
        float(torch.cat([p.grad.flatten() for p in training.branch.parameters() if p.grad is not None]).norm())
    )
    training.update(training.forward(batch, training.fetch(batch)).loss, group=1, is_last=True)
    assert norms == [pytest.approx(1e-3, rel=1e-3)]


def test_average_is_what_is_kept(images: Path, tmp_path: Path) -> None:
    """The checkpoint holds the averaged weights, which are not those that the optimizer moved."""
    states: list[dict[str, torch.Tensor]] = []

    def look(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 3:
            states.append(load_file(tmp_path / "run" / "state.safetensors"))

    run = _fit(images, tmp_path / "run", report=look, loop={"average": 0.5})
    for name, value in run.branch.state_dict().items():
        torch.testing.assert_close(value, states[0][f"average.module.{name}"], rtol=0, atol=0)
    assert not torch.equal(run.branch.embedding.weight, states[0]["weights.embedding.weight"])


def test_best_epoch_is_kept_and_patience_ends_the_run(images: Path, tmp_path: Path) -> None:
    """A learning rate that ruins the weights makes later epochs worse: the run stops early and keeps the best one."""
    values = {"epochs": 30, "optimizer": {"learning_rate": 0.01, "schedule": "constant"}, "loop": {"patience": 2}}
    kept: dict[int, str] = {}

    def look(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            kept[event["epoch"]] = load_run(tmp_path / "run").checkpoint_sha256

    run = _fit(images, tmp_path / "run", report=look, **values)
    lines = lines_of(run.path)
    recalls = [line["recall@1"] for line in lines]
    best = int(np.argmax(recalls)) + 1
    assert len(lines) == best + 2 < 30
    assert run.checkpoint_sha256 == kept[best]
    assert run.facts["metrics"]["epoch"] == best
    assert run.facts["metrics"]["recall@1"] == max(recalls)
    assert (run.config.loop.keep, run.config.loop.metric) == ("best", "recall@1")


def test_validation_happens_as_often_as_asked_and_at_the_end(images: Path, tmp_path: Path) -> None:
    """Epochs in between have no held-out metrics."""
    run = _fit(images, tmp_path / "run", epochs=5, loop={"validate_every": 2})
    assert [line["epoch"] for line in lines_of(run.path) if "recall@1" in line] == [2, 4, 5]


def test_bf16_changes_what_is_computed_and_stays_close(images: Path, tmp_path: Path) -> None:
    """The precision is written down; the base network's features differ from float32 by bfloat16's rounding only."""
    run = _fit(images, tmp_path / "run", epochs=1, loop={"precision": "bf16"})
    assert run.config.loop.precision == "bf16"
    training = _training(images)
    pixels = torch.from_numpy(training.prepared.train.pixels(np.arange(12, dtype=np.int64)))
    exact = InPrecision(training.branch, "fp32")(pixels)
    rough = InPrecision(training.branch, "bf16")(pixels)
    assert rough.dtype == exact.dtype == torch.float32
    gap = float(((rough - exact).norm() / exact.norm()).detach())
    assert 1e-5 < gap < 0.05


def test_fp16_on_a_cpu_works_and_says_that_it_is_slow(images: Path, tmp_path: Path) -> None:
    """Its scaler is part of the state, so that a resumed run scales alike."""
    said: list[str] = []
    scalers: list[dict[str, Any]] = []

    def look(event: dict[str, Any]) -> None:
        if event["event"] == "warning":
            said.append(event["message"])
        if event["event"] == "epoch":
            with safe_open(tmp_path / "run" / "state.safetensors", framework="pt") as stream:
                scalers.append(json.loads(stream.metadata()["lookalike"])["scaler"])

    _fit(images, tmp_path / "run", epochs=1, report=look, loop={"precision": "fp16"})
    assert "fp16 is slower than fp32 on this cpu" in said
    assert scalers[0]["scale"] > 1
