"""docs/adopt.md: every command and the snippet of it, run in order as a reader would."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from artifact.repository.reading import open_repository
from lookalike.cli import main
from tests.shared.foreign_networks import SIZE, bottlenecked, export, save, timm_classifier
from tests.shared.places import ROOT
from tests.shared.shapes_run import write_shapes
from tests.shared.spot_detector import write_examples, write_spot_detector
from tests.shared.two_towers import two_towers

TEXT = (ROOT / "docs" / "adopt.md").read_text()
COMMANDS = [shlex.split(line) for line in re.findall(r"^    lookalike (.*)$", TEXT, re.MULTILINE)]
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_every_command_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With small networks and pictures in class folders; the cut under the old name is refused, as the page says."""
    monkeypatch.chdir(tmp_path)
    export(timm_classifier("test_resnet"), Path("resnet.onnx"), size=SIZE, opset=17, dynamic=True)
    save(two_towers(), Path("clip.onnx"))
    write_shapes(Path("photos"), per_class=2)
    shutil.copy("photos/disc/00.png", "photos/a.jpg")  # what a file is called decides nothing
    save(bottlenecked(), Path("unet.onnx"))
    write_spot_detector(Path("detector.onnx"), features="features")
    write_examples(Path("objects"))
    assert len(COMMANDS) == 18
    for words in COMMANDS:
        assert main(words) == 0, (words, capsys.readouterr().err)
    cut = next(words for words in COMMANDS if words[0] == "adopt" and "resnet_cut" in words)
    assert main(["resnet" if word == "resnet_cut" else word for word in cut]) == 1
    assert "has another signature" in capsys.readouterr().err
    for code in PYTHON:
        exec(code, {})
    names = [
        "clip",
        "detector",
        "from_python",
        "resnet",
        "resnet_cropped",
        "resnet_cut",
        "resnet_regions",
        "unet_grid",
        "unet_mean",
    ]
    assert open_repository(Path("model_repository")).names() == names


def test_the_hint_of_the_page_is_the_one_that_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The value that --output names there is what adopt says of this network."""
    monkeypatch.chdir(tmp_path)
    export(timm_classifier("test_resnet"), Path("resnet.onnx"), size=SIZE, opset=17, dynamic=True)
    assert main(COMMANDS[0]) == 0
    hint = re.search(r"--output (\S+)", capsys.readouterr().err)
    assert hint is not None
    assert f"--output {hint[1]}`" in TEXT
