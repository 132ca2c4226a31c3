"""`train --pretrained` with weights of an installed package: what is chosen, and the licence on its way to describe."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from tests.shared.command_line import Cli, one_line
from tests.shared.shapes_run import write_shapes
from tests.shared.weight_packages import installed, offer_weights, tensors_of
from trainer.run.saved_run import load_run

NETWORK = "test_efficientnet"
PIXELS = "mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), size=48"
ORIGIN = {"weights": "package lite_weights 1.0", "pretrained": True, "licence": "Apache-2.0"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package that offers weights of what --pretrained then means, and images to train on."""
    folder = tmp_path / "site"
    folder.mkdir()
    offer_weights(folder, NETWORK, tensors_of(NETWORK), also=f"tensors='names', {PIXELS}")
    monkeypatch.setattr("trainer.config.resolution.PRETRAINED_BASE", NETWORK)
    write_shapes(tmp_path / "images")
    return folder


def _train(cli: Cli, site: Path, *options: object) -> None:
    """Where the package is installed."""
    with installed(site):
        code, _, err = cli(
            *("train", "images", "--kind", "triplet", "--pretrained", "--output", "run", "--dim", 8, *options)
        )
    assert code == 0, err


def test_pretrained_alone_freezes_and_then_fine_tunes(cli: Cli, site: Path) -> None:
    """What was chosen stands in config.yaml; the run is read back with its pixels' mean where no package is."""
    _train(cli, site, "--epochs", 3)
    config = yaml.safe_load(Path("run/config.yaml").read_text())
    assert (config["base"], config["size"], config["pooling"], config["freeze"]["epochs"]) == (NETWORK, 48, None, 2)
    assert (config["optimizer"]["learning_rate"], config["optimizer"]["base_rate"]) == (1e-3, 0.1)
    assert config["freeze"]["statistics"] is True
    base = json.loads(Path("run/facts.json").read_text())["base"]
    assert {key: base[key] for key in ORIGIN} == ORIGIN
    run = load_run(Path("run"))
    assert (run.preprocessing.mean, run.preprocessing.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    torch.testing.assert_close(run.branch.shift.flatten(), torch.tensor([-0.25, -0.4, -0.5]))


@pytest.mark.slow
def test_licence_goes_from_the_package_to_describe(cli: Cli, site: Path) -> None:
    """Run, page, artifact and both forms of describe name package and licence, and need neither."""
    _train(cli, site, "--epochs", 1, "--deploy", "models")
    code, out, err = cli("describe", "run", "--repository", "models", "--json")
    assert code == 0, err
    manifest = json.loads(out)
    assert {key: manifest["base"][key] for key in ORIGIN} == ORIGIN
    assert (manifest["preprocessing"]["mean"], manifest["preprocessing"]["std"]) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    words = " ".join(cli("describe", "run", "--repository", "models")[1].split())
    assert "package lite_weights 1.0" in words
    assert "Apache-2.0" in words
    assert "package lite_weights 1.0, Apache-2.0" in Path("run/report.html").read_text()


@pytest.mark.usefixtures("site")
def test_pretrained_conv4_is_refused(cli: Cli) -> None:
    """A network that is named is the one that is meant."""
    code, out, err = cli(
        *("train", "images", "--kind", "triplet", "--pretrained", "--base", "conv4", "--output", "run", "--epochs", 1)
    )
    assert (code, out) == (2, "")
    assert one_line(err) == "published weights of conv4: expected none, there are no such, got --pretrained"
    assert not Path("run").exists()
