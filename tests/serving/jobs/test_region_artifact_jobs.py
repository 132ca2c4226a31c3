"""Tables with boxes scored by a region artifact: the table of crops, with vectors out of whole pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.images.preprocessing import resize_pixels
from lookalike.cli import main
from tests.shared.object_tables import Scene, coco_facts, make_scenes, write_boxes, write_coco, write_yolo
from tests.shared.region_artifact import DIM, NAME, SPEC, publish_regions, region_vectors
from tests.shared.tiny_artifact import publish_tiny


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The region artifact, and a branch `tiny`."""
    folder = tmp_path_factory.mktemp("models")
    publish_regions(folder / "models")
    publish_tiny(folder / "models", dim=DIM)
    return folder / "models"


def score(table: Path, models: Path, output: Path, *options: str, model: str = NAME) -> int:
    """The command itself."""
    return main(["score", str(table), "--model", model, "--repository", str(models), "--output", str(output), *options])


def read(output: Path) -> pa.Table:
    return parquet.read_table(sorted(output.glob("part-*.parquet")), partitioning=None)


def expected(scenes: list[Scene]) -> np.ndarray:
    """The vector of each object, by plain loops."""
    vectors = []
    for scene in scenes:
        height, width = scene.pixels.shape[:2]
        pixels = resize_pixels(scene.pixels, SPEC)[None]
        for _, (x, y, wide, high) in scene.objects:
            box = np.array([[[x / width, y / height, (x + wide) / width, (y + high) / height]]], np.float32)
            vectors.append(region_vectors(pixels, box)[0, 0])
    return np.array(vectors)


def coco_of(folder: Path, scenes: list[Scene]) -> Path:
    return write_coco(folder / "instances.json", coco_facts(scenes))


def boxes_of(folder: Path, scenes: list[Scene]) -> Path:
    return write_boxes(folder / "t.csv", scenes)


@pytest.mark.parametrize("write", [coco_of, write_yolo, boxes_of])
def test_the_table_is_that_of_crops_with_other_vectors(
    tmp_path: Path, models: Path, write: Callable[..., Path]
) -> None:
    """Same rows, ids, objects, classes and boxes, in the same order; vectors by plain loops."""
    scenes = make_scenes(tmp_path, num_objects=(3, 0, 7, 1, 2))
    table = write(tmp_path, scenes)
    assert score(table, models, tmp_path / "boxes") == 0
    assert score(table, models, tmp_path / "crops", "--regions", "crop", model="tiny") == 0
    by_box, by_crop = read(tmp_path / "boxes"), read(tmp_path / "crops")
    assert by_box.column_names == by_crop.column_names
    for name in set(by_box.column_names) - {"embedding"}:
        assert by_box[name].equals(by_crop[name]), name
    got = np.array(by_box["embedding"].to_pylist(), np.float32)
    np.testing.assert_allclose(got, expected(scenes), atol=1e-4)
    assert got.shape == (13, DIM)


def test_bad_boxes_are_bad_rows_with_reasons(tmp_path: Path, models: Path) -> None:
    """The good ones of the same pictures are scored; exit code 3."""
    scenes = make_scenes(tmp_path, num_objects=(2, 2))
    table = write_boxes(tmp_path / "t.csv", scenes)
    lines = table.read_text().splitlines()
    image, *_, label = lines[1].split(",")

    def line(box: str) -> str:
        return ",".join([image, *box.split(), label])

    bad = [line("900 900 5 5"), line("3 3 0 4"), line("nan 1 2 2"), line("5 5 -2 4")]
    table.write_text("\n".join([lines[0], lines[1], *bad, *lines[2:]]) + "\n")
    assert score(table, models, tmp_path / "out") == 3
    errors = parquet.read_table(tmp_path / "out" / "errors.parquet")
    assert len(errors) == 4
    reasons = " | ".join(errors["reason"].to_pylist())
    for text in ("outside the picture", "without an area", "number that is none", "ends before it begins"):
        assert text in reasons
    np.testing.assert_allclose(np.array(read(tmp_path / "out")["embedding"].to_pylist()), expected(scenes), atol=1e-4)


def test_a_table_without_boxes_is_whole_pictures(tmp_path: Path, models: Path) -> None:
    """One box each, of all of it."""
    scenes = make_scenes(tmp_path)
    assert score(tmp_path / "images", models, tmp_path / "out") == 0
    whole = np.array([[[0, 0, 1, 1]]], np.float32)
    want = [region_vectors(resize_pixels(scene.pixels, SPEC)[None], whole)[0, 0] for scene in scenes]
    np.testing.assert_allclose(np.array(read(tmp_path / "out")["embedding"].to_pylist()), want, atol=1e-4)


def test_the_wrong_way_is_refused_in_one_line(tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Crops for a model that takes boxes, boxes for one that does not, boxes of a table that has none."""
    scenes = make_scenes(tmp_path)
    coco = coco_of(tmp_path, scenes)
    for table, options, model, text in (
        (coco, ["--regions", "crop"], NAME, "which takes pictures with boxes"),
        (coco, ["--regions", "boxes"], "tiny", "expected a model that takes boxes"),
        (coco, ["--regions", "boxes", "--region-edge", "fill"], NAME, "--region-edge"),
        (coco, ["--regions", "box"], NAME, "expected crop or boxes"),
        (tmp_path / "images", ["--regions", "boxes"], NAME, "regions of a table"),
    ):
        assert score(table, models, tmp_path / "out", *options, model=model) in (1, 2)
        told = " ".join(capsys.readouterr().err.split())
        assert text in told, told
        assert not (tmp_path / "out").exists()


def test_a_killed_job_goes_on_and_gives_the_same_bytes(tmp_path: Path, models: Path) -> None:
    """Parts of few rows, of which the last is lost."""
    scenes = make_scenes(tmp_path, num_objects=(5, 4, 6, 5))
    coco = coco_of(tmp_path, scenes)
    options = ("--rows-per-part", "7")
    assert score(coco, models, tmp_path / "out", *options) == 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("part-*.parquet")}
    assert len(whole) == 3
    (tmp_path / "out" / "part-00002.parquet").unlink()
    file = tmp_path / "out" / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps(manifest | {"state": "running", "parts": manifest["parts"][:2]}))
    assert score(coco, models, tmp_path / "out", *options) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("part-*.parquet")} == whole


def test_thumbnails_show_the_objects(tmp_path: Path, models: Path) -> None:
    """The same small pictures as of crops."""
    scenes = make_scenes(tmp_path)
    coco = coco_of(tmp_path, scenes)
    assert score(coco, models, tmp_path / "boxes", "--thumbnails", "16") == 0
    assert score(coco, models, tmp_path / "crops", "--thumbnails", "16", "--regions", "crop", model="tiny") == 0
    shown = [parquet.read_table(sorted((tmp_path / name).glob("thumbnails-*"))) for name in ("boxes", "crops")]
    assert shown[0].equals(shown[1])
