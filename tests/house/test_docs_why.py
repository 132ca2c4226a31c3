"""docs/why.md and its example: every command, the snippet and the script, run as a reader would."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from artifact.repository.publishing import publish
from lookalike.cli import main
from tests.shared.places import ROOT
from tests.shared.shapes_run import write_shapes
from tests.shared.tiny_artifact import write_tiny_artifact

TEXT = (ROOT / "docs" / "why.md").read_text()
COMMANDS = [shlex.split(line) for line in re.findall(r"^    lookalike (.*)$", TEXT, re.MULTILINE)]


def test_every_command_and_the_snippet_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a small artifact; the numbers of runs on the page are those of a network that has pixels enough."""
    monkeypatch.chdir(tmp_path)
    write_tiny_artifact(tmp_path / "a.onnx", name="trained", size=32)
    publish(tmp_path / "a.onnx", tmp_path / "model_repository")
    write_shapes(Path("photos"), per_class=2)
    for name, source in (("a", "00"), ("b", "01")):
        shutil.copy(f"photos/disc/{source}.png", f"photos/{name}.png")
    assert len(COMMANDS) == 2
    said = []
    for words in COMMANDS:
        assert main(words) == 0, words
        said.append(capsys.readouterr().err.split()[1])
    assert said == ["666", "216"]
    assert all(f"{number} " in TEXT for number in said)
    assert Path("why.html").is_file()
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, {})


@pytest.mark.slow
def test_the_example_finds_the_part(tmp_path: Path) -> None:
    """In a process of its own; both maps have their peak in the part that the pictures share."""
    example = ROOT / "examples" / "python" / "why.py"
    done = subprocess.run(
        [sys.executable, str(example), "out"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("in the part") == 2
    assert (tmp_path / "out" / "why.html").is_file()
