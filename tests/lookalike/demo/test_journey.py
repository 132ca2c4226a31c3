"""The demo, whole but for the epochs: every command, both modes through a server of its own, one page, one summary."""

import json
import re
import socket
from pathlib import Path

import pytest

from artifact.errors import LookalikeError, OutputError
from lookalike.cli import main
from lookalike.demo import journey
from lookalike.demo.digits import write_digits
from lookalike.demo.output_folder import claimed
from lookalike.demo.raw_pixels import evaluate_raw_pixels


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder)
    return folder


def test_digits_are_5000_real_images_split_by_class(digits: Path) -> None:
    """400 of each digit train, 100 are held out, and no held-out image stands in the training folder."""
    train, held_out = (sorted((digits / part).glob("*/*.png")) for part in ("train", "held_out"))
    assert (len(train), len(held_out)) == (4000, 1000)
    for paths, per_class in ((train, 400), (held_out, 100)):
        for digit in range(10):
            assert sum(path.parent.name == str(digit) for path in paths) == per_class
    assert not {path.read_bytes() for path in train} & {path.read_bytes() for path in held_out}


def test_raw_pixels_are_measured_as_the_reference_says(digits: Path) -> None:
    """scikit-learn finds the same share of nearest neighbours of the same class among the raw pixels."""
    import numpy as np
    from PIL import Image
    from sklearn.neighbors import NearestNeighbors

    paths = sorted((digits / "held_out").glob("*/*.png"))
    pixels = np.stack([np.asarray(Image.open(path)).ravel() for path in paths]).astype(float)
    labels = np.array([path.parent.name for path in paths])
    nearest = NearestNeighbors(n_neighbors=2).fit(pixels).kneighbors(pixels, return_distance=False)[:, 1]
    measured = evaluate_raw_pixels(digits / "held_out", {"height": 28, "width": 28})
    assert measured["recall@1"] == pytest.approx(np.mean(labels[nearest] == labels), abs=0.002)
    assert 0.5 < measured["purity"] < 0.62


@pytest.mark.slow
def test_demo_does_the_whole_journey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With two epochs instead of twenty: the summary's promises hold and the server is gone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(journey, "MORE_TRAINING", ("--epochs", "2"))
    assert main(["demo", "--output", "out"]) == 0
    printed = capfd.readouterr().out
    commands = re.findall(r"^  \$ lookalike (\w+)", printed, re.MULTILINE)
    assert " ".join(commands) == "train export export describe serve score score index search cluster evaluate explore"
    summary = json.loads(Path("out/summary.json").read_text())
    assert set(summary) >= {
        "data",
        "num_images",
        "kind",
        "embedding_dim",
        "distance",
        "recall_at_1",
        "recall_at_1_raw_pixels",
        "recall_at_5",
        "recall_at_5_raw_pixels",
        "map_at_r",
        "map_at_r_raw_pixels",
        "num_held_out_classes",
        "kmeans_purity",
        "kmeans_purity_raw_pixels",
        "parity_max_abs",
        "digest",
        "vectors",
        "label_column",
        "repository",
        "model_names",
        "seconds",
    }
    assert (summary["data"], summary["num_images"], summary["kind"]) == ("digits", 5000, "triplet")
    assert summary["recall_at_1"] > summary["recall_at_1_raw_pixels"]
    assert summary["kmeans_purity"] > summary["kmeans_purity_raw_pixels"]
    assert summary["ranking_accuracy"] > 0.95
    assert_is_what_the_tables_say(summary, Path("out"))
    page = Path("out/gallery.html").read_text()
    assert page.count("data:image/png;base64,") >= 20 * 11
    explorer = Path("out/explorer.html").read_text()
    assert "held-out digits" in explorer
    assert 'id="block-sheet-0"' in explorer
    url = re.search(r"--url 127\.0\.0\.1:(\d+)", printed)
    assert url is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url[1]))) != 0, "the server is still there"


def assert_is_what_the_tables_say(summary: dict, folder: Path) -> None:
    """The figures follow from the files that the summary names."""
    from analysis.evaluation.labelled_tables import evaluate
    from artifact.repository.reading import open_repository
    from rows.vectors.table import VectorTable

    table = VectorTable.open(folder / summary["vectors"])
    assert table.num_rows == 1000
    assert table.matrix.shape[1] == summary["embedding_dim"]
    assert evaluate(table, summary["label_column"])["recall@1"] == pytest.approx(summary["recall_at_1"])
    repository = open_repository(folder / summary["repository"])
    assert repository.names() == summary["model_names"]
    assert repository.model(summary["model_names"][0]).manifest(1).digest == summary["digest"]
    assert table.lineage is not None
    assert table.lineage.digest == summary["digest"]


def test_demo_leaves_other_files_alone(tmp_path: Path) -> None:
    """A folder of something else is refused; so is one in which another demo runs."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="expected a new or empty folder, got other files"):
        journey.run_demo("digits", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with (
        claimed(tmp_path / "demo"),
        pytest.raises(LookalikeError, match="another demo is running"),
        claimed(tmp_path / "demo"),
    ):
        pass
