"""docs/attributes.md: its commands that train and export, run in order on a few drawn pictures, as printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from artifact.repository.reading import open_repository
from benchmarks.sets.shapes import SHAPES, write_shapes
from lookalike.cli import main
from tests.shared.places import ROOT

TEXT = (ROOT / "docs" / "attributes.md").read_text()
COMMANDS = re.findall(r"^    lookalike ((?:train|export) .*)$", TEXT, re.MULTILINE)


def test_commands_train_and_export_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one epoch; every one with exit code 0, and three models in the end."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    some = [
        (shape, color, striped, border, size, place)
        for shape, color, striped, border, size, place in zip(
            [*SHAPES, *SHAPES],
            ["red", "blue"] * 5,
            [0, 1, 1] * 4,
            [1, 1, 0, 0] * 3,
            [1, 2, 3] * 4,
            ["middle", "top left"] * 5,
            strict=False,
        )
    ]
    write_shapes(tmp_path / "train", some, 4, random)
    assert len(COMMANDS) == 4
    for command in COMMANDS:
        words = shlex.split(command)
        if "--epochs" in words:
            words[words.index("--epochs") + 1] = "1"
        assert main(words) == 0, command
    repository = open_repository(Path("models"))
    assert repository.names() == ["run", "run_attributes", "run_full"]
    assert all(sorted(repository.model(name).manifests) == [1] for name in repository.names())
