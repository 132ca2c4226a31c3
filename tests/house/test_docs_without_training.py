"""docs/without-training.md: every command of the page, in its order; and the program in examples/ that does it."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lookalike.cli import app
from tests.shared.places import ROOT
from tests.shared.shapes_run import write_shapes

PAGE = (ROOT / "docs" / "without-training.md").read_text()
COMMANDS = re.findall(r"^    lookalike (.*)$", PAGE, flags=re.MULTILINE)
STAND_INS = {"--base tf_efficientnet_lite0 --pretrained": "--base test_efficientnet --size 32", "resnet18": "resnet10t"}
"""Published weights need a package, and a small network has the same names of layers."""


def test_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ends with 0 and leaves what it names."""
    monkeypatch.chdir(tmp_path)
    write_shapes(Path("demo-output/images/train"), per_class=4)
    write_shapes(Path("demo-output/images/held_out"), per_class=2, seed=1)
    Path("photos").mkdir()
    for name, source in (("a", "disc/00.png"), ("b", "cross/00.png")):
        shutil.copy(f"demo-output/images/train/{source}", f"photos/{name}.jpg")
    assert len(COMMANDS) == 11
    for command in COMMANDS:
        for printed, stand_in in STAND_INS.items():
            command = command.replace(printed, stand_in)
        words = shlex.split(command)
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{command}: {done.exception or done.output}"
        if "--output" in words:
            assert Path(words[words.index("--output") + 1]).exists()


def test_program_of_the_examples_runs(tmp_path: Path) -> None:
    """Three ways, three artifacts; two copies of a picture are most alike by each."""
    write_shapes(tmp_path / "shapes", per_class=2)
    shutil.copy(tmp_path / "shapes" / "disc" / "00.png", tmp_path / "shapes" / "cross" / "copy.png")
    program = ROOT / "examples" / "python" / "without_training.py"
    done = subprocess.run(
        [sys.executable, program, tmp_path / "shapes"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,  # some 15 s of a processor that nobody else uses
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["way"] for line in lines] == ["pixels", "whole", "layer"]
    assert all(line["most_alike"] == ["cross/copy.png", "disc/00.png"] for line in lines)
    assert lines[0]["numbers"] == 32 * 32 * 3
