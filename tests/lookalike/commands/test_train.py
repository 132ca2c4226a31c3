"""The command `train`: bad images and options in one line, `--deploy`, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared.child_process import start_child
from tests.shared.command_line import Cli, one_line
from tests.shared.spoiled_images import spoil


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("missing", "triplet", ["images"]),
        ("empty", "triplet", ["images"]),
        ("one class", "triplet", ["class"]),
        ("single images", "triplet", ["class"]),
        ("two classes", "quartet", ["three", "class"]),
    ],
)
def test_training_on_bad_images_fails_in_one_line(
    cli: Cli, images: Path, name: str, kind: str, words: list[str]
) -> None:
    """Exit code 1, a line that names the thing and where it is, and no run folder."""
    spoil(images, name)
    code, out, err = cli("train", "images", "--kind", kind, "--output", "runs/x", "--epochs", 1, "--base", "conv4")
    line = one_line(err)
    assert (code, out) == (1, "")
    for word in words:
        assert word in line
    assert "images" in line
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("truncated", ["cut.jpg", "truncated"]),
        ("text", ["note.jpg", "not an image"]),
        ("0 bytes", ["nothing.png", "empty (0 bytes)"]),
        ("1x1", ["dot.png", "1x1 pixels"]),
        ("bomb", ["bomb.png", "20000x20000 pixels (400 megapixels), over the limit"]),
    ],
)
def test_bad_images_are_left_out_of_training_unless_a_limit_says_otherwise(
    cli: Cli, images: Path, name: str, words: list[str]
) -> None:
    """One line that names the thing, as a warning that the run keeps, or as the error of a limit."""
    spoil(images, name)
    train = ("train", "images", "--kind", "triplet", "--epochs", 1, "--set", "sampling.batches_per_epoch=1")
    code, out, err = cli(*train, "--output", "runs/limited", "--set", "max_bad_images=0")
    assert (code, out) == (1, "")
    assert all(word in one_line(err) for word in [*words, "images", "--set max_bad_images=1"])
    code, out, err = cli(*train, "--output", "runs/x", "--json")
    told = json.loads(out)
    assert (code, told["left_out"], told["passed_over"]) == (0, {"images": 1}, {})
    [line] = told["warnings"]
    assert all(word in line for word in words)
    assert f"warning: {line}" in err.splitlines()
    assert json.loads(Path("runs/x/facts.json").read_text())["warnings"] == [line]
    assert name == "1x1" or "1 image was left out" in Path("runs/x/report.html").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dim", "0"], ["dim", "expected", "0"]),
        (["--dim", "1000000"], ["dim", "expected", "1000000"]),
        (["--margin", "-1"], ["margin", "-1"]),
        (["--margin", "nan"], ["margin", "nan"]),
        (["--margin", "5", "--normalize"], ["margin", "2", "5"]),
        (["--base", "resnet81"], ["resnet81", "resnet18"]),
        (["--loss", "tripplet"], ["tripplet", "triplet"]),
        (["--distance", "manhattan"], ["manhattan", "euclidean"]),
        (["--mining", "hardest"], ["hardest"]),
        (["--validation", "images:2"], ["--validation", "between 0 and 1", "2"]),
        (["--set", "optimizer.learning_rat=1"], ["optimizer.learning_rat", "optimizer.learning_rate"]),
        (["--epochs", "-1"], ["epochs", "-1"]),
        (["--epochs", "0", "--head", "trained"], ["head", "trained"]),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    cli: Cli, images: Path, options: list[str], words: list[str]
) -> None:
    """Exit code 2 before an image is read, naming the option, what was expected and the nearest word."""
    code, _, err = cli("train", "images", "--kind", "triplet", "--output", "runs/x", *options)
    line = one_line(err)
    assert code == 2, line
    for word in words:
        assert word in line
    assert not Path("runs").exists()


def test_output_of_another_run_is_left_alone(cli: Cli, images: Path, trained: Path) -> None:
    """A run folder that holds something is refused and unchanged."""
    before = {path: path.read_bytes() for path in trained.iterdir()}
    code, _, err = cli("train", "images", "--kind", "triplet", "--output", trained, "--epochs", 1)
    assert code == 1
    assert "got a run" in one_line(err)
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


def test_train_then_deploy(cli: Cli, images: Path) -> None:
    """One command from images to two published models."""
    code, out, err = cli(
        "train",
        "images",
        "--kind",
        "siamese",
        "--output",
        "runs/pairs",
        "--epochs",
        1,
        "--dim",
        4,
        "--size",
        32,
        "--validation",
        "images:0.5",
        "--deploy",
        "models",
        "--json",
    )
    assert code == 0, err
    assert "\nloss contrastive_linear, margin 1, euclidean distance, vectors of unit length, mining all\n" in f"\n{err}"
    told = {"loss": "contrastive_linear", "margin": 1, "distance": "euclidean", "normalized": True, "mining": "all"}
    assert json.loads(out)["objective"] == told
    models = json.loads(out)["models"]
    assert [(model["name"], model["mode"], model["version"]) for model in models] == [
        ("pairs", "branch", 1),
        ("pairs_full", "full", 1),
    ]
    assert "epoch 1/1: loss" in err


def test_deploying_is_refused_before_training(cli: Cli, images: Path, repository: Path) -> None:
    """A name taken by another signature, a foreign folder of the name, a file for a repository: no run is begun."""
    (repository / "own_full").mkdir()
    (repository / "own_full/config.pbtxt").write_text('name: "own_full"')
    Path("file").touch()
    train = ("train", "images", "--kind", "triplet", "--output", "runs/x", "--epochs", 1, "--dim", 7)
    for deploy, words in (
        (("models", "--name", "tiny"), ["'tiny' has another signature", "--name"]),
        (("models", "--name", "own"), ["'own_full'", "--name"]),
        (("file",), ["repository", "got a file", "file"]),
        (("file/deeper",), ["repository", "got a file", "file"]),
    ):
        code, _, err = cli(*train, "--deploy", *deploy)
        assert code == 1, deploy
        for word in words:
            assert word in one_line(err)
        assert "epoch" not in err
        assert not Path("runs").exists()


def test_interrupted_training_leaves_one_line(images: Path) -> None:
    """Ctrl-C ends with exit code 130 and a line, not a traceback."""
    command = [sys.executable, "-m", "lookalike", "train", str(images), "--kind", "triplet", "--epochs", "100000"]
    process = start_child(
        [*command, "--output", str(images.parent / "run")],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    while not (line := process.stderr.readline()).startswith("epoch 1/100000"):
        assert line
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "lookalike: interrupted"
    assert "Traceback" not in rest
    assert (images.parent / "run" / "checkpoint.safetensors").is_file()
