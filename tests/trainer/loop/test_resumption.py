"""Runs that are cut off and continued: bit by bit as if nobody had stopped them, or refused by name."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors import safe_open

from artifact.errors import DataError, OutputError, RunError
from tests.shared.child_process import start_child
from tests.shared.places import SHARED
from tests.shared.shapes_run import fit_small, lines_of, write_shapes
from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.loop.reading import read_split
from trainer.run.saved_run import Run, load_run

RUN_TRAINING = str(SHARED / "run_training.py")


@pytest.mark.parametrize("optimizer", [{"name": "adamw"}, {"name": "sgd", "learning_rate": 0.01}])
def test_resumed_run_ends_like_one_that_was_never_stopped(
    shapes: Path, tmp_path: Path, optimizer: dict[str, Any]
) -> None:
    """Stopped in the middle of the third epoch, the run holds a whole checkpoint of the second and goes on from it."""
    values = {"epochs": 4, "optimizer": optimizer}
    whole = fit_small(shapes, tmp_path / "whole", **values)

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "cut", report=stop, **values)
    cut = load_run(tmp_path / "cut")
    assert cut.threshold is None
    assert len((cut.path / "metrics.jsonl").read_text().splitlines()) == 2
    with pytest.raises(RunError, match=r"^epochs of the run to resume: expected 4, got 5"):
        fit_small(shapes, tmp_path / "cut", resume=True, **(values | {"epochs": 5}))
    with (cut.path / "metrics.jsonl").open("a") as stream:  # as if stopped between metrics and checkpoint
        stream.write('{"epoch": 3}\n')
    resumed = fit_small(shapes, tmp_path / "cut", resume=True, **values)
    assert resumed.checkpoint_sha256 == whole.checkpoint_sha256 != cut.checkpoint_sha256
    assert resumed.threshold == whole.threshold
    lines = [json.loads(line) for line in (resumed.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    with pytest.raises(RunError) as caught:
        fit_small(shapes, tmp_path / "cut", resume=True, **values)
    expected = f"run to resume: expected an unfinished run, got a finished run ({tmp_path / 'cut'})"
    assert str(caught.value) == expected


def test_run_stopped_after_its_last_epoch_is_finished_by_resume(shapes: Path, tmp_path: Path) -> None:
    """Nothing is left to train, but threshold and final facts are missing."""

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 2:
            raise KeyboardInterrupt

    whole = fit_small(shapes, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "cut", report=stop)
    resumed = fit_small(shapes, tmp_path / "cut", resume=True)
    assert resumed.checkpoint_sha256 == whole.checkpoint_sha256
    assert resumed.threshold == whole.threshold is not None
    assert resumed.facts["metrics"]["recall@1"] == whole.facts["metrics"]["recall@1"]
    assert not (resumed.path / "state.safetensors").exists()


def test_run_stopped_in_its_first_epoch_is_resumed_from_the_start(shapes: Path, tmp_path: Path) -> None:
    """Its folder holds no checkpoint yet; a new run into it is refused with the way to go on."""

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "run", epochs=1, report=stop)
    with pytest.raises(OutputError) as caught:
        fit_small(shapes, tmp_path / "run", epochs=1)
    assert str(caught.value).endswith("; name another folder, or continue it with --resume")
    with pytest.raises(RunError, match=r"^run: expected checkpoint.safetensors, got none"):
        load_run(tmp_path / "run")
    resumed = fit_small(shapes, tmp_path / "run", epochs=1, resume=True)
    assert resumed.checkpoint_sha256 == fit_small(shapes, tmp_path / "whole", epochs=1).checkpoint_sha256


def test_resume_refuses_changed_images_and_damaged_state(shapes: Path, tmp_path: Path) -> None:
    """A continued run must be one run."""
    images = tmp_path / "images"
    shutil.copytree(shapes, images)

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_small(images, tmp_path / "run", report=stop, loop={"save_every_s": 1e-6})
    (images / "disc" / "00.png").unlink()
    with pytest.raises(RunError, match=r"^images of the run to resume: expected unchanged, got changed"):
        fit_small(images, tmp_path / "run", resume=True)
    shutil.copy(shapes / "disc" / "00.png", images / "disc" / "00.png")
    shutil.copy(shapes / "disc" / "00.png", images / "disc" / "z.jfif")  # older versions passed it over
    mend = r"train into another folder, or files such as 'disc/z.jfif' are read now.*: move \.jfif files out"
    with pytest.raises(RunError, match=mend):
        fit_small(images, tmp_path / "run", resume=True)
    (images / "disc" / "z.jfif").unlink()
    state = tmp_path / "run" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(RunError, match=r"^state of an unfinished run: expected a whole file, got "):
        fit_small(images, tmp_path / "run", resume=True)
    with pytest.raises(RunError, match=r"^run to resume: expected an unfinished run, got nothing there"):
        fit_small(images, tmp_path / "nowhere", resume=True)


def test_resume_refuses_changed_settings_by_name(shapes: Path, tmp_path: Path) -> None:
    """The first setting that differs is named with both values, groups included."""

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "run", report=stop)
    with pytest.raises(RunError) as caught:
        fit_small(shapes, tmp_path / "run", resume=True, optimizer={"learning_rate": 0.5})
    assert str(caught.value) == (
        f"optimizer.learning_rate of the run to resume: expected 0.001, got 0.5 ({tmp_path / 'run'}); "
        "resume with the same settings, or train into another folder"
    )


@pytest.mark.parametrize("settings", [{}, {"split_folders": False}, {"max_megapixels": 64, "max_image_mb": 32}])
def test_runs_of_before_go_on_though_new_settings_would_refuse_them(tmp_path: Path, settings: dict[str, Any]) -> None:
    """On split folders, and without settings that came since; a finished one can be read again too."""
    images = tmp_path / "images"
    for split in ("train", "test"):
        write_shapes(images / split, per_class=4)
    values = {"epochs": 2, "split_folders": False}
    whole = fit_small(images, tmp_path / "whole", **values)
    with pytest.raises(KeyboardInterrupt):
        fit_small(images, tmp_path / "run", report=_stop_after_an_epoch, **values)
    _as_before(tmp_path / "run")
    with pytest.raises(DataError, match="splits of a data set"):
        fit_small(images, tmp_path / "other", epochs=2)
    resumed = fit_small(images, tmp_path / "run", resume=True, epochs=2, **settings)
    assert resumed.checkpoint_sha256 == whole.checkpoint_sha256
    assert resumed.threshold == whole.threshold
    _as_before(tmp_path / "run")
    train, held_out = read_split(load_run(tmp_path / "run"), report=lambda event: None)
    assert train.files.classes == ("test", "train")
    assert held_out is not None


def _stop_after_an_epoch(event: dict[str, Any]) -> None:
    if event["event"] == "epoch":
        raise KeyboardInterrupt


def _as_before(run: Path) -> None:
    """Take the settings out of its config.yaml that older versions do not have."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    for key in ("split_folders", "max_megapixels", "max_image_mb"):
        config.pop(key, None)
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def _paused(settings: dict[str, Any], folder: Path, output: Path, *, step: int) -> subprocess.Popen[str]:
    """A training process that has just done this step and waits for a line."""
    file = folder / f"{output.name}.json"
    file.write_text(json.dumps(settings))
    process = start_child(
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
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings with all on that has a state; six batches an epoch."""
    return {
        "images": str(write_shapes(tmp_path_factory.mktemp("everything") / "images", per_class=16)),
        "kind": "triplet",
        "dim": 8,
        "size": 16,
        "epochs": 3,
        "validation": "images:0.25",
        "augment": {"flip": True, "brightness": 0.2},
        "sampling": {"images_per_class": 2},
        "loop": {"average": 0.9, "save_every_s": 1e-6, "accumulate": 2, "precision": "bf16"},
        "max_disk_mb": 0,
    }


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
    assert lines_of(resumed.path) == lines_of(whole.path)
    assert resumed.threshold == whole.threshold


def test_what_decides_nothing_may_change(shapes: Path, tmp_path: Path) -> None:
    """Another deadline, other caches and threads: the new values are used and written down, the bytes are the same."""
    whole = fit_small(shapes, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "cut", report=_stop_after_an_epoch, loop={"save_every_s": 1e-6})
    cache = tmp_path / "cache"
    changed = {"read_timeout_s": 300.0, "workers": 1, "cache": cache, "max_cache_mb": 1, "max_disk_mb": 64}
    resumed = fit_small(shapes, tmp_path / "cut", resume=True, loop={"save_every_s": 9}, **changed)
    assert resumed.checkpoint_sha256 == whole.checkpoint_sha256
    assert lines_of(resumed.path) == lines_of(whole.path)
    assert any(cache.iterdir())
    written = yaml.safe_load((resumed.path / "config.yaml").read_text())
    assert {name: written[name] for name in changed} == changed | {"cache": str(cache)}
    assert written["loop"]["save_every_s"] == 9
    assert list(written) == list(yaml.safe_load((whole.path / "config.yaml").read_text()))
