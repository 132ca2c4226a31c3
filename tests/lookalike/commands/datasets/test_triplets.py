"""lookalike triplets: what it prints and writes, and what it answers to what cannot be done."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from lookalike.cli import main
from tests.shared.shapes_run import write_shapes
from tests.shared.table_writers import write_csv


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_shapes(tmp_path / "images", per_class=6)


def _words(images: Path, output: Path, relevance: object = "pixels") -> list[str]:
    return ["triplets", str(images), "--relevance", str(relevance), "--count", "200", "--output", str(output)]


def test_triplets_of_pixels_are_written_and_told(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many, from how many images, and the share within the class."""
    output = images.parent / "t.csv"
    assert main([*_words(images, output), "--json", "--in-class", "0"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["num_triplets"] == 200
    assert (told["num_images"], told["num_kept"], told["in_class"], told["left_out"]) == (24, 24, 0.0, [])
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert len(rows) == 200
    for row in rows:
        folders = {name: path.split("/")[1] for name, path in row.items()}
        assert folders["query"] == folders["positive"] != folders["negative"]


def test_triplets_of_vectors_may_be_row_numbers_of_a_catalogue(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of images with a class column of another name, and vectors beside it."""
    paths = sorted(path.relative_to(images.parent).as_posix() for path in images.rglob("*.png"))
    table = write_csv(images.parent / "c.csv", {"image": paths, "kind": [path.split("/")[1] for path in paths]})
    np.savez(images.parent / "v.npz", embedding=np.random.default_rng(0).normal(size=(24, 4)), id=np.array(paths))
    output = images.parent / "t.csv"
    words = [*_words(table, output, images.parent / "v.npz"), "--numbers", "--label", "kind"]
    assert main([*words, "--distance", "euclidean"]) == 0
    rows = [[int(cell) for cell in row.values()] for row in csv.DictReader(output.read_text().splitlines())]
    labels = [path.split("/")[1] for path in paths]
    assert all(labels[query] == labels[positive] for query, positive, _ in rows)
    told = capsys.readouterr()
    assert "num_triplets        200" in told.out
    assert f"next: lookalike train {output} --kind triplet --catalogue {table} --catalogue-path image " in told.err


def test_a_picture_that_cannot_be_read_is_told_and_exits_with_3(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The triplets of the others are written."""
    (images / "disc" / "00.png").write_bytes(b"no")
    output = images.parent / "t.csv"
    assert main(_words(images, output)) == 3
    assert "left out: disc/00.png: " in capsys.readouterr().err
    assert "disc/00.png" not in output.read_text()


def test_names_are_written_as_they_are_or_refused(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Letters of any language, commas and quotes; a name that is no text cannot stand in a table."""
    (images / "disc").rename(images / 'größe, "rund"')
    output = images.parent / "t.csv"
    assert main(_words(images, output)) == 0
    cells = {cell for row in csv.DictReader(output.read_text(encoding="utf-8").splitlines()) for cell in row.values()}
    assert 'images/größe, "rund"/00.png' in cells
    assert all((images.parent / cell).is_file() for cell in cells)
    for path in sorted((images / "cross").iterdir()):
        os.rename(os.fsencode(path), os.fsencode(path.with_suffix("")) + b"\xff.png")
    capsys.readouterr()
    assert main(_words(images, output)) == 1
    assert capsys.readouterr().err.startswith("lookalike: images to name in triplets: expected names that are UTF-8")


@pytest.mark.parametrize(("word", "is_near"), [("pixls", True), ("Pixel", True), ("PIXELS", True), ("vectors", False)])
def test_mistyped_pixels_are_told_as_the_nearest(
    images: Path, capsys: pytest.CaptureFixture[str], word: str, is_near: bool
) -> None:
    """Where nothing of that name is there; a file of that name is vectors, whatever is wrong with them."""
    output = images.parent / "t.csv"
    assert main(_words(images, output, word)) == 1
    assert capsys.readouterr().err.endswith("; did you mean pixels?\n") is is_near
    (images.parent / word).write_text("no vectors")
    assert main(_words(images, output, images.parent / word)) == 1
    assert "did you mean" not in capsys.readouterr().err


def test_what_cannot_be_done_is_one_line(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written."""
    output = images.parent / "t.csv"
    table = write_csv(images.parent / "c.csv", {"image": ["images/disc/00.png"] * 2, "label": ["a", "a"]})
    cases = [
        (_words(images, output.with_suffix(".txt")), 2, "--output: expected a .csv or .tsv file, got "),
        ([*_words(images, output), "--column", "x"], 2, "--column: expected none beside --relevance pixels, got 'x'"),
        ([*_words(images, output), "--label", "lable"], 1, 'copied column "lable": expected one of '),
        (_words(images / "no", output), 1, ""),
        ([*_words(images, output), "--numbers"], 2, "--numbers: expected a table of images, which train --catalogue "),
        (_words(table, output), 1, "classes to draw triplets from: expected two or more, got 1"),
        (_words(images, output, images.parent / "v.npy"), 1, ""),
        (_words(table, table), 2, "output: expected another file than those of the table of images"),
    ]
    for words, code, message in cases:
        assert main(words) == code, words
        told = capsys.readouterr().err
        assert told.startswith(f"lookalike: {message}"), told
        assert told.count("\n") == 1
    assert not output.exists()
