"""The loop's promises: runs that are cut off continue bit by bit, and every setting of it does what it says."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from artifact.errors import RunError, UsageError
from tests.shared.places import SHARED
from tests.shared.shapes_run import write_shapes
from tests.trainer.loop.test_distributed import run_ranks
from trainer.config.config import make_config
from trainer.loop.distributed import joined
from trainer.loop.epoch import _update_group
from trainer.loop.fit import fit
from trainer.loop.preparation import prepare
from trainer.loop.training import Training, make_training
from trainer.run.folder import Run, load_run

RUN_TRAINING = str(SHARED / "run_training.py")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of 16 drawn images."""
    return write_shapes(tmp_path_factory.mktemp("loop") / "images", per_class=16)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _settings(images: Path, **values: Any) -> dict[str, Any]:
    small = {
        "images": str(images),
        "kind": "triplet",
        "dim": 8,
        "size": 16,
        "epochs": 3,
        "validation": "images:0.25",
        "sampling": {"images_per_class": 3},
        "max_disk_mb": 0,
    }
    return small | values


def _fit(images: Path, output: Path, *, report: Any = None, resume: bool = False, **values: Any) -> Run:
    return fit(make_config(_settings(images, **values)), output, report=report, resume=resume)


def _training(images: Path, **values: Any) -> Training:
    """A run before its first step, without a folder."""
    torch.manual_seed(0)
    config = make_config(_settings(images, **values))
    with joined("cpu") as ranks:
        prepared = prepare(config, report=lambda event: None)
        loop = prepared.config.loop.model_copy(update={"precision": "fp32"})
        object.__setattr__(prepared, "config", prepared.config.model_copy(update={"loop": loop}))
        return make_training(prepared, ranks, images)


def _without_speed(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_s"} for line in lines]


def _paused(settings: dict[str, Any], folder: Path, output: Path, *, step: int) -> subprocess.Popen[str]:
    """A training process that has just done this step and waits for a line."""
    file = folder / f"{output.name}.json"
    file.write_text(json.dumps(settings))
    process = subprocess.Popen(
        [sys.executable, RUN_TRAINING, str(file), str(output), str(step)],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "paused\n", process.stderr.read()
    return process


@pytest.fixture(scope="module")
def everything(images: Path) -> dict[str, Any]:
    """Settings with all on that has a state."""
    return _settings(
        images,
        augment={"flip": True, "brightness": 0.2},
        sampling={"images_per_class": 2},
        loop={"average": 0.9, "save_every_s": 1e-6, "accumulate": 2, "precision": "bf16"},
    )


@pytest.fixture(scope="module")
def whole(everything: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nobody stopped."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    run = fit(make_config(everything), tmp_path_factory.mktemp("whole") / "run")
    torch.set_num_threads(before)
    return run


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_run_cut_off_by_a_signal_continues_bit_by_bit(
    everything: dict[str, Any], whole: Run, tmp_path: Path, number: signal.Signals
) -> None:
    """Weights, metrics and threshold are those of a run that nobody stopped, with everything on that has a state."""
    process = _paused(everything, tmp_path, tmp_path / "cut", step=9)  # six steps an epoch
    process.send_signal(number)
    process.communicate("go on\n", timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143}.get(number, process.returncode) != 0
    with safe_open(tmp_path / "cut" / "state.safetensors", framework="pt") as stream:
        position = json.loads(stream.metadata()["lookalike"])
    assert (position["epoch"], position["batch"]) == (1, 2 if number == signal.SIGKILL else 4)
    resumed = fit(make_config(everything), tmp_path / "cut", resume=True)
    assert resumed.checkpoint_sha256 == whole.checkpoint_sha256
    assert _without_speed(resumed.path) == _without_speed(whole.path)
    assert resumed.threshold == whole.threshold


def test_resume_refuses_changed_settings_by_name(images: Path, tmp_path: Path) -> None:
    """The first setting that differs is named with both values, groups included."""

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fit(images, tmp_path / "run", report=stop)
    with pytest.raises(RunError) as caught:
        _fit(images, tmp_path / "run", resume=True, optimizer={"learning_rate": 0.5})
    assert str(caught.value) == (
        f"optimizer.learning_rate of the run to resume: expected 0.001, got 0.5 ({tmp_path / 'run'}); "
        "resume with the same settings, or train into another folder"
    )


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
    lines = _without_speed(run.path)
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
    assert [line["epoch"] for line in _without_speed(run.path) if "recall@1" in line] == [2, 4, 5]


def test_bf16_changes_what_is_computed_and_stays_close(images: Path, tmp_path: Path) -> None:
    """The precision is written down; the base network's features differ from float32 by bfloat16's rounding only."""
    run = _fit(images, tmp_path / "run", epochs=1, loop={"precision": "bf16"})
    assert run.config.loop.precision == "bf16"
    training = _training(images)
    pixels = torch.from_numpy(training.prepared.train.pixels(np.arange(12, dtype=np.int64)))
    from trainer.weights.precision import InPrecision

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


def test_two_ranks_train_one_run(images: Path, tmp_path: Path) -> None:
    """Two processes on the command line: one run folder, one result, no error."""
    command = [
        sys.executable,
        "-m",
        "lookalike",
        "train",
        str(images),
        "--kind",
        "triplet",
        "--output",
        str(tmp_path / "run"),
        "--epochs",
        "2",
        "--size",
        "16",
        "--dim",
        "8",
        "--json",
        "--set",
        "loop.precision=fp32",
        "--set",
        "max_disk_mb=0",
    ]
    done = run_ranks(command)
    assert [process.returncode for process in done] == [0, 0], done[0].stderr + done[1].stderr
    results = [process.stdout for process in done]
    assert json.loads(results[0])["kind"] == "triplet"
    assert results[1] == ""
    assert load_run(tmp_path / "run").facts["metrics"]["epoch"] == 2


def test_ranks_agree_on_the_first_refusal(tmp_path: Path) -> None:
    """A folder that is not there ends every rank at once, each with the same line and none hanging."""
    command = [
        sys.executable,
        "-m",
        "lookalike",
        "train",
        str(tmp_path / "none"),
        "--kind",
        "triplet",
        "--output",
        str(tmp_path / "run"),
    ]
    started = time.monotonic()
    done = run_ranks(command)
    assert [process.returncode for process in done] == [1, 1]
    assert time.monotonic() - started < 100  # far below the time that ranks wait for each other
    assert all("nothing there" in process.stderr for process in done)


@pytest.mark.parametrize("device", ["cuda"])
def test_device_that_is_not_there_is_refused_before_reading(images: Path, tmp_path: Path, device: str) -> None:
    """Nothing is written."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UsageError):
        _fit(images, tmp_path / "run", loop={"device": device})
    assert not (tmp_path / "run").exists()
