"""Adoption where no torch is installed: the command end to end on a real network, and proof that none was there."""

import json
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet
from torch import nn

from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.model.file import read_manifest
from artifact.repository.reading import open_repository
from tests.shared.foreign_networks import MEAN, SIZE, STD, by_torch
from tests.shared.missing_packages import COMMAND_LINE, TRAINING_EXTRA, run_without
from tests.shared.places import ROOT

OPTIONS = ("--mean", ",".join(map(str, MEAN)), "--std", ",".join(map(str, STD)), "--json")
TORCH_FREE = ("adoption", "folding", "graph_values", "region_reference", "regions")
REST_OF_EXPORT = tuple(
    f"export.{module.name}" for module in pkgutil.iter_modules([str(ROOT / "export")]) if module.name not in TORCH_FREE
)
MISSING = (*TRAINING_EXTRA, "trainer", *REST_OF_EXPORT)


def lookalike(*arguments: object, folder: Path) -> dict[str, object]:
    """What a command prints as JSON where nothing of MISSING is to be found."""
    done = run_without(MISSING, COMMAND_LINE, *arguments, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_adopted_checked_and_scored_without_torch(resnet: nn.Module, resnet_file: Path, tmp_path: Path) -> None:
    """adopt, check, describe and score, each in a process without torch: the vectors are those of torch."""
    random = np.random.default_rng(0)
    for number in range(5):
        path = tmp_path / "images" / f"{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (30 + number, 50, 3), np.uint8)).save(path)
    adopted = lookalike("adopt", resnet_file, *OPTIONS[:-1], "--repository", "models", folder=tmp_path)
    assert (adopted["name"], adopted["embedding_dim"], adopted["version"]) == ("my_net", 10, 1)
    checked = lookalike("check", "my_net", "--repository", "models", folder=tmp_path)
    assert (checked["ok"], checked["digest"]) == (True, adopted["digest"])
    assert lookalike("describe", "my_net", "--repository", "models", folder=tmp_path)["kind"] == "siamese"
    where = ("--model", "my_net", "--repository", "models", "--output", "vectors")
    assert lookalike("score", "images", *where, folder=tmp_path)["num_scored"] == 5
    table = parquet.read_table(tmp_path / "vectors" / "part-00000.parquet")
    spec = Preprocessing(height=SIZE, width=SIZE, mean=MEAN, std=STD)
    files = [(tmp_path / "images" / name).read_bytes() for name in table["id"].to_pylist()]
    expected = by_torch(resnet, np.stack([load_pixels(file, spec) for file in files]))
    assert np.abs(np.stack(table["embedding"].to_numpy()) - expected).max() <= 2e-4 * np.abs(expected).max()


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(resnet_file: Path, tmp_path: Path) -> None:
    """No path of the machine is inside, and the network is untouched."""
    before = resnet_file.read_bytes()
    written = []
    for name in ("one", "two"):
        places = ("--file", tmp_path / f"{name}.onnx", "--repository", tmp_path / name)
        done = run_without(MISSING, COMMAND_LINE, "adopt", resnet_file, *OPTIONS, *places)
        assert done.returncode == 0, done.stderr
        assert "parity with my net.onnx" in done.stderr
        assert "--output" in done.stderr  # the hint at a better cut
        written.append((tmp_path / f"{name}.onnx").read_bytes())
        digest = read_manifest(tmp_path / f"{name}.onnx").digest
        assert open_repository(tmp_path / name).model("my_net").manifest(1).digest == digest
        assert digest in done.stdout
    assert written[0] == written[1]
    for secret in (str(resnet_file.parent), "site-packages", ".py"):
        assert secret.encode() not in written[0]
    assert resnet_file.read_bytes() == before


def test_every_module_of_adoption_imports_without_torch() -> None:
    """And without the rest of export, which there is some of."""
    found = [f"export.adoption.{module.name}" for module in pkgutil.iter_modules([str(ROOT / "export" / "adoption")])]
    assert len(found) > 3
    assert {"export.build", "export.graph", "export.parity"} <= set(REST_OF_EXPORT)
    code = "\n".join(f"import {name}" for name in ["export", "export.adoption", "export.folding", *found])
    done = run_without(MISSING, code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_missing_there(name: str) -> None:
    """Each of them is here, and cannot be imported in the processes above."""
    assert find_spec(name) is not None
    done = run_without(MISSING, f"import {name}")
    assert done.returncode != 0
    assert f"ModuleNotFoundError: No module named '{name}'" in done.stderr


def test_export_of_a_run_fails_there(tmp_path: Path) -> None:
    """The command that needs torch says so, so the command line itself is run without it."""
    done = run_without(TRAINING_EXTRA, COMMAND_LINE, "export", tmp_path)
    assert done.returncode == 1
    assert "the package 'torch' is not installed; `pip install 'lookalike[train]'` brings it" in done.stderr
