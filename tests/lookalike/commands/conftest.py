"""Fixtures of the commands on vectors: a folder with a model, nine images and their vectors, and an index of them."""

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artifact.repository.publishing import publish
from lookalike.cli import main
from tests.shared.command_line import Cli
from tests.shared.scored_folder import HOSTILE, MODEL
from tests.shared.tiny_artifact import write_tiny_artifact


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, nine images and their vectors in `v`."""
    folder = tmp_path_factory.mktemp("scored")
    rng = np.random.default_rng(0)
    for number in range(9):
        path = folder / "images" / f"c{number % 2}" / (HOSTILE if number == 8 else f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (12, 300 if number == 7 else 12, 3), np.uint8)).save(path)
    write_tiny_artifact(folder / "tiny.onnx")
    publish(folder / "tiny.onnx", folder / "models", name="tiny")
    with contextlib.chdir(folder):
        assert main(["score", "images", *MODEL, "--output", "v"]) == 0
    return folder


@pytest.fixture
def scored_cli(scored: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in a copy of that folder, with the index `i`; gives exit code, stdout and stderr."""
    shutil.copytree(scored, tmp_path / "copy")
    manifest = tmp_path / "copy" / "v" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(scored), str(tmp_path / "copy")))  # as if scored there
    monkeypatch.chdir(tmp_path / "copy")
    assert cli("index", "v", "--output", "i")[0] == 0
    return cli
