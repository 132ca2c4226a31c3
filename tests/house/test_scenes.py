"""Scenes of the benchmarks: what they say of their objects is what is to be seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artifact.images.decoding import decode_image
from artifact.images.mask import decode_runs
from benchmarks.sets import scenes
from rows.regions import RegionOptions
from rows.tables import open_table


def write(folder: Path, seed: int) -> Path:
    """Three scenes of discs and squares, each of its own colour, on a dark ground."""
    cutouts = {}
    for number in range(12):
        alpha = np.zeros((60, 60), np.uint8)
        rows, columns = np.indices((60, 60)) - 29.5
        alpha[(rows**2 + columns**2 < 700) if number % 2 else (abs(rows) < 25)] = 255
        picture = np.zeros((60, 60, 4), np.uint8)
        picture[..., :3] = np.array([250, 20 * number, 255 - 20 * number])
        picture[..., 3] = alpha
        cutouts[f"thing{number}"] = [Image.fromarray(picture)]
    scenes.write_scenes(folder, cutouts, [Image.new("RGB", (64, 48), (0, 0, 0))], 3, seed=[seed])
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("scenes") / "train", 0)


def test_scenes_are_the_same_each_time_and_others_by_seed(folder: Path, tmp_path: Path) -> None:
    """To the byte."""
    again, other = write(tmp_path / "again", 0), write(tmp_path / "other", 1)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*.*"))
    assert len(names) == 4
    assert all((again / name).read_bytes() == (folder / name).read_bytes() for name in names)
    assert all((other / name).read_bytes() != (folder / name).read_bytes() for name in names)


def test_boxes_are_the_bounds_of_the_masks_and_masks_do_not_overlap(folder: Path) -> None:
    """What an object hides of another is in neither's mask twice; most of each can be seen."""
    content = json.loads(scenes.annotations(folder).read_text())
    for image in content["images"]:
        total = np.zeros((scenes.HEIGHT, scenes.WIDTH), int)
        objects = [each for each in content["annotations"] if each["image_id"] == image["id"]]
        assert len(objects) >= scenes.OBJECTS - 2
        for each in objects:
            inside = decode_runs(tuple(each["segmentation"]["counts"]), scenes.WIDTH, scenes.HEIGHT)
            rows, columns = np.nonzero(inside)
            x, y, width, height = each["bbox"]
            assert (x, y, x + width, y + height) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert each["area"] == inside.sum()
            total += inside
        assert total.max() == 1


def test_masks_are_where_the_objects_are(folder: Path) -> None:
    """Cut out with their surroundings filled in black, crops are bright inside and black outside."""
    table = open_table(scenes.annotations(folder), regions=RegionOptions(colour=(0, 0, 0)))
    for batch in table.batches(8):
        for ref in batch.images["image"]:
            crop = decode_image(ref.read())
            is_object = crop.any(axis=2)
            assert np.median(crop[is_object].max(axis=1)) > 100
            assert is_object.mean() > 0.1


def test_poses_of_a_character_are_one_identity() -> None:
    """By what stands before the pose, and of a few people before the number."""
    names = {
        "bat1-a": "bat1",
        "bat1-b": "bat1",
        "cassy-dancing-1": "cassy",
        "dan3": "dan",
        "cat2": "cat2",
        "jay": "jay",
    }
    assert {name: scenes.identity_of(name) for name in names} == names
