"""The last layer of a region artifact fitted to labelled objects: LDA of what the map says of them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from artifact.errors import DataError
from export.parity import make_session
from export.region_build import build_regions
from rows.regions import RegionOptions
from rows.tables import ImageTable, open_table
from tests.shared.shapes_run import SHAPES, draw_shape, small_run
from trainer.run.saved_run import Run


def scenes(folder: Path, *, count: int, seed: int) -> tuple[ImageTable, np.ndarray, np.ndarray, list[str]]:
    """Pictures of 128 px with four shapes each; the table, pixels, boxes in shares and classes."""
    random, rows, pixels, boxes, names = np.random.default_rng(seed), [], [], [], []
    folder.mkdir()
    for number in range(count):
        scene = Image.fromarray(random.integers(0, 60, (128, 128, 3), np.uint8))
        for place, name in enumerate(random.permutation(SHAPES)):
            x, y = 64 * (place % 2) + 12, 64 * (place // 2) + 12
            scene.paste(draw_shape(str(name), random), (x, y))
            rows.append([f"{number}.png", x, y, 40, 40, name])
            names.append(str(name))
        scene.save(folder / f"{number}.png")
        pixels.append(np.asarray(scene))
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "x", "y", "width", "height", "label"], *rows])
    boxes = np.array([[x, y, x + w, y + h] for _, x, y, w, h, _ in rows], np.float32).reshape(count, 4, 4) / 128
    return open_table(str(folder / "t.csv"), regions=RegionOptions()), np.array(pixels), boxes, names


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("run") / "shapes", epochs=1)


def test_a_fitted_layer_parts_classes_as_lda_does(run: Run, tmp_path: Path) -> None:
    """Nearest class means in the new vectors are those of scikit-learn's LDA on new objects, nearly always."""
    table, pixels, boxes, names = scenes(tmp_path / "train", count=24, seed=0)
    _, new_pixels, new_boxes, new_names = scenes(tmp_path / "new", count=12, seed=1)
    fitted = build_regions(run, size=(128, 128), fit=table)
    assert {key: fitted.facts[key] for key in ("head", "objects", "classes")} == {
        "head": "lda",
        "objects": 96,
        "classes": 4,
    }
    plain = build_regions(run, size=(128, 128))
    assert fitted.facts != plain.facts  # so that it is a space of its own
    session = make_session(fitted.model)
    old, new = (
        session.run(None, {"image": images, "boxes": each})[0].reshape(-1, 8)
        for images, each in ((pixels, boxes), (new_pixels, new_boxes))
    )
    labels = np.array(names)
    means = np.stack([old[labels == name].mean(axis=0) for name in SHAPES])
    ours = np.array(SHAPES)[((new[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)]
    theirs = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.5).fit(old, labels).predict(new)
    assert (ours == np.array(new_names)).mean() > 0.75
    assert (ours == theirs).mean() > 0.85


def test_objects_that_are_left_out_are_told(run: Run, tmp_path: Path) -> None:
    """How many, with the first reason; in the message too where too few are left."""
    table, *_ = scenes(tmp_path / "train", count=6, seed=0)
    lines = Path(table.source).read_text().splitlines()
    some = tmp_path / "train" / "some.csv"
    cells = lines[1].split(",")
    outside = [",".join([cells[0], *["9000"] * 4, cells[-1]]), f"nowhere.png,{','.join(cells[1:])}"]
    some.write_text("\n".join([*lines, *outside]) + "\n")
    told: list[Mapping[str, object]] = []
    build_regions(run, size=(128, 128), fit=open_table(str(some), regions=RegionOptions()), report=told.append)
    assert [event["event"] for event in told] == ["warning"]
    assert "is fitted to 24 objects of" in str(told[0]["message"])
    assert "; 2 left out, the first for a box outside the picture" in str(told[0]["message"])
    some.write_text("\n".join([lines[0], *outside]) + "\n")
    with pytest.raises(DataError, match="expected two or more, got 0, and 2 left out, the first for a box outside"):
        build_regions(run, size=(128, 128), fit=open_table(str(some), regions=RegionOptions()))


@pytest.mark.parametrize(
    ("limits", "num_objects"),
    [({"max_megapixels": 0.01}, 0), ({"max_image_mb": 0.03}, 0), ({"max_megapixels": 500}, 28), ({}, 24)],
)
def test_pictures_are_held_to_the_limits_of_the_run(
    run: Run, tmp_path: Path, limits: dict[str, float], num_objects: int
) -> None:
    """Six of 16,384 pixels in over 30 kB, and one of 150 million, which is read where the run took such ones."""
    table, *_ = scenes(tmp_path / "train", count=6, seed=0)
    lines = Path(table.source).read_text().splitlines()
    Image.new("1", (15_000, 10_000)).save(tmp_path / "train" / "large.png")
    more = [",".join(["large.png", *line.split(",")[1:]]) for line in lines[1:5]]
    (tmp_path / "train" / "more.csv").write_text("\n".join([*lines, *more]) + "\n")
    objects = open_table(str(tmp_path / "train" / "more.csv"), regions=RegionOptions())
    own = replace(run, config=run.config.model_copy(update=limits))
    if not num_objects:
        with pytest.raises(DataError, match=r"expected two or more, got 0, and 28 left out, the first for .* over"):
            build_regions(own, size=(128, 128), fit=objects)
        return
    assert build_regions(own, size=(128, 128), fit=objects).facts["objects"] == num_objects


def test_objects_without_classes_are_refused(run: Run, tmp_path: Path) -> None:
    """In one line that says what is wanted."""
    table, *_ = scenes(tmp_path / "train", count=1, seed=0)
    lines = Path(table.source).read_text().splitlines()
    bare = tmp_path / "train" / "bare.csv"
    bare.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    with pytest.raises(DataError, match="objects to fit to: expected classes, in a column label, got none"):
        build_regions(run, size=(128, 128), fit=open_table(str(bare), regions=RegionOptions()))
