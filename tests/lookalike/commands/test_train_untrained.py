"""The command `train --epochs 0`: a network and a head, without a step, published and used like any other model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.shared.command_line import Cli, one_line


def _flatten(images: Path) -> Path:
    """The same images in one folder, numbered without leading zeros."""
    flat = images.parent / "flat"
    flat.mkdir()
    for number, file in enumerate(sorted(path for path in images.rglob("*") if path.is_file())):
        shutil.copy(file, flat / f"img{number}{file.suffix}")
    return flat


@pytest.mark.slow
def test_flat_folder_becomes_a_model_that_scores(cli: Cli, images: Path) -> None:
    """No kind, no class, no threshold; both models are published, described, checked and score the folder."""
    num_images = len(list(_flatten(images).iterdir()))
    train = ("train", "flat", "--base", "conv4", "--epochs", 0, "--dim", 4, "--output", "runs/plain")
    code, out, err = cli(*train, "--deploy", "models", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["kind"], result["embedding_dim"], result["threshold"]) == ("triplet", 4, None)
    assert result["why_no_threshold"] == "the images have no classes"
    assert [model["name"] for model in result["models"]] == ["plain", "plain_full"]
    assert any("random" in line for line in result["warnings"])
    assert "no class folders" in err
    code, out, err = cli("describe", "plain", "--repository", "models", "--json")
    assert code == 0, err
    assert "the images have no classes" in out
    code, out, err = cli("score", "flat", "--model", "plain", "--repository", "models", "--output", "vectors")
    assert code == 0, err
    assert sum(pq.read_metadata(part).num_rows for part in Path("vectors").glob("*.parquet")) == num_images
    code, out, err = cli(*train, "--resume")
    assert code == 1
    assert "got a finished run" in err.splitlines()[-1]


def test_page_prints_no_metrics_where_nothing_is_held_out(cli: Cli, images: Path) -> None:
    """A line that would be empty is left out; the head is told once."""
    _flatten(images)
    code, out, err = cli("train", "flat", "--epochs", 0, "--head", "pca", "--output", "runs/plain")
    assert code == 0, err
    assert "metrics" not in out
    assert "none: the images have no classes" in out
    assert sum(line.startswith("head: pca") for line in err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--epochs", 3), ["kind", "siamese, triplet, quartet", "got nothing", "--kind"]),
        ((), ["kind", "got nothing", "--kind"]),
        (("--epochs", 0, "--minutes", 2), ["--minutes", "got 0", "--epochs"]),
        (("--epochs", 0, "--set", "steps=5"), ["steps with --epochs 0", "got 5"]),
        (("--epochs", 0, "--head", "trained"), ["pca, lda, auto or none", "got trained", "--head"]),
        (("--epochs", 0, "--head", "lda"), ["images without classes", "pca or auto", "got lda"]),
        (("--epochs", 0, "--validation", "classes:0.2"), ["images without classes", "classes:0.2"]),
        (("--epochs", -1), ["epochs", "0..100000", "got -1"]),
    ],
)
def test_what_makes_no_sense_without_a_step_is_refused(
    cli: Cli, images: Path, arguments: tuple[object, ...], words: list[str]
) -> None:
    """In one line, and nothing is written."""
    _flatten(images)
    code, out, err = cli("train", "flat", "--output", "runs/x", *arguments)
    assert code == 2
    assert out == ""
    line = one_line(err.splitlines()[-1])
    for word in words:
        assert word in line
    assert not Path("runs").exists()


@pytest.mark.slow
def test_network_becomes_a_model_without_images(cli: Cli, images: Path) -> None:
    """Cut behind a layer, published in both modes, described, checked; it scores images and a NumPy file of one."""
    train = ("train", "--base", "conv4", "--size", 28, "--cut", "@8", "--epochs", 0, "--output", "runs/plain")
    code, out, err = cli(*train, "--deploy", "models", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["embedding_dim"], result["head"]["name"], result["threshold"]) == (64, "none", None)
    assert [model["name"] for model in result["models"]] == ["plain", "plain_full"]
    for command in ("describe", "check"):
        code, _, err = cli(command, "plain", "--repository", "models", "--json")
        assert code == 0, err
    np.save("one.npy", np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8))
    for table, rows in ((images, len([path for path in images.rglob("*") if path.is_file()])), (Path("one.npy"), 1)):
        code, _, err = cli("score", table, "--model", "plain", "--repository", "models", "--output", f"v-{table.name}")
        assert code == 0, err
        assert sum(pq.read_metadata(part).num_rows for part in Path(f"v-{table.name}").glob("*.parquet")) == rows
    assert err.count("one.npy: an array [40, 30, 3] is one picture") == 1


def test_training_without_images_is_one_line(cli: Cli) -> None:
    """Whatever else is missing."""
    code, _, err = cli("train", "--output", "runs/none")
    assert code == 2
    assert one_line(err) == (
        "IMAGES|TABLE: expected a folder of images or a table to train on, got nothing; "
        "with --epochs 0 the network is taken as it is, without images"
    )
