"""The command `layers`: of a network, a run, an artifact, and what it answers to anything else."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from export.build import build
from tests.shared.command_line import Cli, one_line
from trainer.config.config import make_config
from trainer.loop.fit import fit


@pytest.fixture
def run(cli: Cli) -> Path:
    """A network that ends behind a layer, without a head, in the folder of the command."""
    return fit(make_config({"epochs": 0, "base": "conv4", "size": 24, "cut": "blocks.6"}), Path("run")).path


def test_network_is_listed_by_name(cli: Cli) -> None:
    """A line a layer with its number, and all of it as JSON."""
    code, out, _ = cli("layers", "conv4", "--size", 28)
    assert code == 0
    assert out.splitlines()[1].split() == ["@1", "blocks.0", "Conv2d", "32", "x", "28", "x", "28", "864"]
    code, out, _ = cli("layers", "conv4", "--size", 28, "--json")
    listed = json.loads(out)
    assert code == 0
    assert [layer["number"] for layer in listed["layers"]] == list(range(1, listed["num_layers"] + 1))
    assert listed["layers"][-1] | {"run": 1} == {
        "number": 17,
        "name": "flatten",
        "run": 1,
        "kind": "FlattenPooling",
        "shape": [1, 1152],
        "num_parameters": 0,
    }


def test_run_is_listed_by_the_names_of_its_network(cli: Cli, run: Path) -> None:
    """As far as it goes, then the pooling."""
    code, out, _ = cli("layers", run, "--json")
    assert code == 0
    assert [layer["name"] for layer in json.loads(out)["layers"]] == [f"blocks.{index}" for index in range(7)] + [
        "pooling"
    ]


def test_artifact_is_listed_by_its_values(cli: Cli, run: Path) -> None:
    """From the pixels to the vector."""
    from trainer.run.saved_run import load_run

    build(load_run(run), "branch").write(Path("a.onnx"))
    code, out, _ = cli("layers", "a.onnx", "--json")
    assert code == 0
    listed = json.loads(out)
    assert (listed["image"], listed["layers"][-1]["name"], listed["layers"][-1]["shape"]) == (
        "24 x 24 px",
        "embedding",
        [1, 64],
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("conv5",),
            2,
            "base network: expected conv4, pixels, deep_ranking or a name of timm, got 'conv5' (NET|RUN|FILE.onnx)",
        ),
        (
            ("runs/none",),
            2,
            "base network: expected conv4, pixels, deep_ranking or a name of timm, got 'runs/none' (NET|RUN|FILE.",
        ),
        (("runs",), 2, "run: expected one with config.yaml, as train writes it, got another folder (runs); artifacts "),
        (("runs/1",), 2, "run: expected one with config.yaml, as train writes it, got another folder (runs/1); "),
        (("none.onnx",), 1, "no such file (none.onnx)"),
        (("text.txt",), 1, "not an ONNX file, or cut off: got "),
        (
            ("run", "--size", 32),
            2,
            "options of a run: expected none, it has its own size and weights, got --size (run)",
        ),
        (("pixels", "--size", 4), 2, "Invalid value for '--size'"),
    ],
)
def test_what_is_nothing_to_list_is_one_line(
    cli: Cli, run: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """A misspelt name with the nearest, a path of nothing, another file."""
    Path("text.txt").write_text("layers")
    Path("runs/1").mkdir(parents=True)
    got, _, err = cli("layers", *arguments)
    assert (got, one_line(err)[: len(message)]) == (code, message)


def test_page_shows_layers_of_pictures(cli: Cli, run: Path) -> None:
    """Those that are named, of a run and of a network; the counts are printed."""
    Image.new("RGB", (30, 30), "red").save("a.png")
    code, out, err = cli("layers", run, "--image", "a.png", "--layer", "blocks.3", "--output", "p.html", "--json")
    assert code == 0, err
    (layer,) = json.loads(out)["layers"]
    assert (layer["name"], layer["num_channels"], layer["shape"]) == ("blocks.3", 32, [32, 12, 12])
    assert "@4 blocks.3" in Path("p.html").read_text()
    code, out, err = cli("layers", "conv4", "--size", 24, "--image", "a.png", "--image", "a.png", "--output", "q.html")
    assert code == 0, err
    assert out.splitlines()[1].split()[:2] == ["@4", "blocks.3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("conv4", "--image", "a.png"), "--image: expected --output FILE.html beside it, got none"),
        (
            ("conv4", "--image", "a.png", "--output", "./a.png"),
            "--output: expected another file than the pictures, the weights and those of the run, got a.png",
        ),
        (("pixels", "--image", "b.png", "--output", "p.html"), "layers of pixels: expected at least one, got none"),
        (("conv4", "--output", "p.html"), "--output: expected --image FILE beside it, got none"),
        (("conv4", "--layer", "@1"), "--layer: expected --image FILE beside it, got none; without it layers are"),
        (("x.onnx", "--image", "a.png", "--output", "p.html"), "--image: expected a run, or a network by name, got"),
        (
            ("run", "--image", "a.png", "--output", "p.html", "--pretrained"),
            "options of a run: expected none, it has its own size and weights, got --pretrained (run)",
        ),
    ],
)
def test_what_makes_no_page_is_one_line(cli: Cli, run: Path, arguments: tuple[str, ...], message: str) -> None:
    """Options that go together, a picture as the page, and what has no layers to run by themselves."""
    Image.new("RGB", (30, 30), "red").save("b.png")
    code, _, err = cli("layers", *arguments)
    assert (code, one_line(err)[: len(message)]) == (2, message)


def test_a_page_is_written_over_nothing_that_is_read(cli: Cli, run: Path) -> None:
    """Neither a picture, by whatever path, nor weights, nor a file of the run."""
    Image.new("RGB", (30, 30), "red").save("a.png")
    Path("link.png").symlink_to("a.png")
    before = {file: file.read_bytes() for file in (Path("a.png"), run / "config.yaml")}
    for output in ("a.png", "link.png", run / "config.yaml"):
        code, _, err = cli("layers", run, "--image", "a.png", "--output", output)
        assert (code, one_line(err)) == (
            2,
            f"--output: expected another file than the pictures, the weights and those of the run, got {output}",
        )
    assert {file: file.read_bytes() for file in before} == before


OWN = """
from torch import nn

def mapping():
    net = nn.Sequential()
    net.add_module("low", nn.Conv2d(3, 4, 3))
    net.add_module("high", nn.Conv2d(4, 9, 3))
    net.size = 16
    return net
"""


@pytest.mark.parametrize(
    ("base", "settings"),
    [
        ("conv4", ("--cut", 2)),
        ("conv4", ("--pooling", "avg")),
        ("conv4", ("--cut", "blocks.6", "--pooling", "max")),
        ("own_listed:mapping", ()),
        ("deep_ranking:test_resnet", ("--pooling", "flatten")),
        ("deep_ranking:conv4", ("--cut", 2)),
        ("test_resnet", ("--cut", 2)),
    ],
)
def test_names_that_are_listed_are_those_that_a_cut_takes(
    cli: Cli, base: str, settings: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the network, and of every run of it, whatever the network was put into there."""
    Path("own_listed.py").write_text(OWN)
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.delitem(sys.modules, "own_listed", raising=False)
    options = ("--base", base, "--size", 32, "--epochs", 0)
    assert cli("train", *options, *settings, "--output", "run")[0] == 0
    of_network = json.loads(cli("layers", base, "--size", 32, "--json")[1])["layers"]
    of_run = json.loads(cli("layers", "run", "--json")[1])["layers"]
    beside = ("shallow.", "trunk", "pooling", "trunk.pooling")
    own = [each["name"] for each in of_run if not each["name"].startswith(beside[0]) and each["name"] not in beside[1:]]
    names = {each["name"] for each in of_network}
    assert own
    assert set(own) <= names
    code, _, err = cli("train", *options, "--cut", own[0], "--output", "cut")
    assert code == 0, err
    assert cli("layers", "run", "--image", _picture(), "--layer", own[-1], "--output", "page.html")[0] == 0


def _picture() -> Path:
    Image.new("RGB", (32, 32), (9, 90, 200)).save("picture.png")
    return Path("picture.png")
