"""Objects of tables on the command line: score and train with --regions, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shared.command_line import Cli
from tests.shared.job_tables import read_manifest, read_rows
from tests.shared.object_tables import coco_facts, make_scenes, write_boxes, write_coco, write_yolo
from tests.shared.scored_images import publish_models


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return publish_models(folder / "repository", folder / "files", models=["triplet_branch"])


def test_every_form_of_table_is_scored(cli: Cli, repository: Path, tmp_path: Path) -> None:
    """With and without regions; a bad box is a bad row (exit code 3), and pictures of a search are the crops."""
    scenes = make_scenes(tmp_path, (2, 0, 3))
    facts = coco_facts(scenes)
    write_coco(tmp_path / "a" / "instances.json", facts)
    facts["annotations"][0]["bbox"] = [0, 0, 0, 0]
    write_coco(tmp_path / "bad.json", facts)
    write_yolo(tmp_path, scenes)
    write_boxes(tmp_path / "t.csv", scenes)
    scoring = ["--model", "triplet_branch", "--repository", repository, "--json", "--output"]
    crop = ["--regions", "crop"]
    for place, options, count, code in (
        ("a/instances.json", [*crop, "--images", "images"], 5, 0),
        ("a/instances.json", ["--images", "images"], 3, 0),
        ("bad.json", [*crop, "--region-padding", 0.1], 5, 3),
        ("data.yaml", [*crop, "--region-edge", "fill"], 5, 0),
        ("images/..", [*crop, "--table-format", "yolo"], 5, 0),
        ("t.csv", [*crop, "--boxes", "x,y,width,height"], 5, 0),
        ("t.csv", [], 5, 0),
    ):
        output = f"out-{len(list(tmp_path.glob('out-*')))}"
        done, printed, told = cli("score", place, *options, *scoring, output)
        assert (done, json.loads(printed)["num_rows"]) == (code, count), told
    assert read_rows(tmp_path / "out-0").column_names == ["id", "object_id", "label", "box", "embedding"]
    assert read_manifest(tmp_path / "out-0")["read_as"]["images"] == str(tmp_path / "images")
    cli("index", "out-0", "--output", "i.idx")
    done, printed, told = cli("search", "i.idx", "id:000.png#0", "-k", 2, "--gallery", "g.html")
    assert done == 0, told
    assert (tmp_path / "g.html").read_text().count("data:image/") >= 2
    assert "no picture" not in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--regions", "boxes"], "--regions boxes: expected a model that takes boxes, got 'triplet_branch'"),
        (
            ["--regions", "boxes", "--region-background", "fill"],
            "--region-background: expected none with --regions boxes: nothing is cut out, got fill; use a branch model",
        ),
        (["--region-padding", "0.1"], "--region-padding: expected --regions crop beside it, got none"),
        (["--boxes", "x,y,w,h"], "--boxes: expected --regions crop beside it, got none"),
        (["--box-unit", "px"], "--box-unit: expected --regions crop beside it, got none"),
        (["--regions", "crop", "--region-padding", "2"], "--region-padding: expected a share from 0 to 1, got 2"),
        (["--regions", "crop", "--boxes", "x,y"], "--boxes: expected four columns, or one of lists of four, got x,y"),
        (["--table-format", "voc"], "format of the table: expected one of coco, yolo, got voc"),
        (["--regions", "crop", "--boxes", "x,y,width,hight"], 'column "hight" of boxes: expected one of image'),
        (["--images", "images"], "--images: expected none: the table says where its images are, got images (t.csv)"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    cli: Cli, repository: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    """One line, before anything is scored."""
    write_boxes(tmp_path / "t.csv", make_scenes(tmp_path, (1,)))
    fixed = ["--model", "triplet_branch", "--repository", repository, "--output", "out"]
    code, _, told = cli("score", "t.csv", *fixed, *options)
    assert code in (1, 2)
    assert told.startswith(f"lookalike: {message}")
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_folder_of_images_has_no_regions(cli: Cli, repository: Path, tmp_path: Path) -> None:
    """The nearest thing to do is told."""
    make_scenes(tmp_path, (1,))
    fixed = ["--model", "triplet_branch", "--repository", repository, "--output", "out"]
    code, _, told = cli("score", "images", *fixed, "--regions", "crop")
    assert code == 1
    assert "regions of a table: expected boxes" in told
    assert "leave out --regions" in told


def test_train_takes_objects_as_images(cli: Cli, tmp_path: Path) -> None:
    """By two options; the others are settings. Without them the table says what it lacks."""
    write_coco(tmp_path / "instances.json", coco_facts(make_scenes(tmp_path, (4,) * 10)))
    fixed = ["train", "instances.json", "--kind", "triplet", "--size", 16, "--dim", 4, "--epochs", 1]
    code, _, told = cli(*fixed, "--output", "run")
    assert code == 1
    assert "cut them out with --regions crop" in told
    code, _, told = cli(*fixed, "--output", "run", "--region-padding", 0.2)
    assert (code, told.strip()) == (2, "lookalike: --region-padding: expected --regions crop beside it, got none")
    more = ["--regions", "crop", "--region-padding", 0.2, "--set", "regions.edge=fill", "--set", "loop.device=cpu"]
    code, printed, told = cli(*fixed, "--output", "run", *more, "--json")
    assert code == 0, told
    assert json.loads(printed)["embedding_dim"] == 4
    settings = (tmp_path / "run" / "config.yaml").read_text()
    assert "by: crop\n  padding: 0.2\n  edge: fill" in settings
