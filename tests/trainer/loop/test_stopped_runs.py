"""Runs that are refused before they start, or stopped with the settings to change."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from artifact.errors import DataError, LookalikeError, OutputError, TrainingError, UsageError
from tests.shared.shapes_run import fit_small
from trainer.networks.base_networks import build_base


def test_refused_training_leaves_no_folder(shapes: Path, tmp_path: Path) -> None:
    """Settings, images and base network are all checked before the run folder exists."""
    bad = tmp_path / "bad"
    shutil.copytree(shapes, bad)
    (bad / "disc" / "x.png").write_text("text")
    lonely = tmp_path / "lonely"
    for name in ("disc", "cross"):
        (lonely / name).mkdir(parents=True)
        shutil.copy(shapes / name / "00.png", lonely / name / "00.png")
    cases: list[tuple[type[LookalikeError], Path, dict[str, Any]]] = [
        (DataError, bad, {"max_bad_images": 0}),
        (DataError, lonely, {}),
        (DataError, tmp_path / "gone", {}),
        (DataError, shapes, {"validation": str(tmp_path / "gone")}),
        (DataError, shapes, {"validation": "classes:0.8"}),
        (UsageError, shapes, {"base": "resnet19"}),
        (UsageError, shapes, {"normalize": True, "margin": 3}),
    ]
    for error, images, values in cases:
        with pytest.raises(error):
            fit_small(images, tmp_path / "run", **values)
        assert not (tmp_path / "run").exists()


def test_output_that_holds_anything_is_refused(shapes: Path, tmp_path: Path) -> None:
    """A finished run, foreign files, a file; an empty folder is taken."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "run").mkdir()
    fit_small(shapes, tmp_path / "run", epochs=1)
    for name, got in (("notes", "files"), ("file", "a file"), ("run", "a run")):
        with pytest.raises(OutputError) as caught:
            fit_small(shapes, tmp_path / name)
        message = f"run folder: expected a new or empty folder, got {got} ({tmp_path / name}); name another folder"
        assert str(caught.value) == message
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"


def test_loss_that_is_not_finite_stops_with_a_way_out(shapes: Path, tmp_path: Path) -> None:
    """First weights that overflow; the message names the setting and a smaller value."""
    weights = dict(build_base("conv4").module.state_dict())
    save_file(weights | {"blocks.0.weight": torch.full((32, 3, 3, 3), torch.inf)}, tmp_path / "w.safetensors")
    with pytest.raises(TrainingError) as caught:
        fit_small(shapes, tmp_path / "run", weights=tmp_path / "w.safetensors")
    assert str(caught.value) == (
        "loss at step 1: expected a finite number, got nan;"
        " lower the learning rate (--set optimizer.learning_rate=0.0001), or use --normalize"
    )


def test_collapse_is_said_with_what_to_change(tmp_path: Path) -> None:
    """Blank images all land on one point; the loss alone would not say so."""
    for index in range(12):
        path = tmp_path / "blank" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        info = PngInfo()
        info.add_text("number", str(index))  # other bytes, the same picture
        Image.new("RGB", (32, 32), "white").save(path, pnginfo=info)
    events: list[dict[str, Any]] = []
    fit_small(tmp_path / "blank", tmp_path / "run", epochs=1, mining="batch_hard", report=events.append)
    assert [event["message"] for event in events if event["event"] == "hint"] == [
        "all images are nearly at one point, so the loss stays where it is; try --mining all or "
        "--set optimizer.learning_rate=0.0001"
    ]
    with pytest.raises(TrainingError, match=r"^collapse: all images have been at one point for 3 steps"):
        fit_small(
            tmp_path / "blank", tmp_path / "guarded", epochs=9, mining="batch_hard", loop={"max_collapsed_steps": 3}
        )


def test_device_that_is_not_there_is_refused_before_reading(shapes: Path, tmp_path: Path) -> None:
    """Nothing is written."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UsageError):
        fit_small(shapes, tmp_path / "run", loop={"device": "cuda"})
    assert not (tmp_path / "run").exists()
