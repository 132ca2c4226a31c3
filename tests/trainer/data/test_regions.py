"""Objects as images to train on: crops under their classes, each its own content, filled as the model will see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import DataError, UsageError
from artifact.images.preprocessing import Preprocessing, resize_pixels
from tests.shared.object_tables import CLASSES, coco_facts, make_scenes, write_boxes, write_coco, write_yolo
from trainer.config.config import TrainConfig, make_config, with_overrides
from trainer.config.settings import RegionsConfig
from trainer.data import image_reading
from trainer.data.dataset import open_dataset
from trainer.data.image_files import ImageFiles
from trainer.data.images import Images, read_images
from trainer.loop.fit import fit
from trainer.pixels.cache import PixelCache

SMALL = Preprocessing(height=12, width=12, mean=(0.2, 0.4, 0.6), std=(0.5, 0.5, 0.5))


def config_of(place: Path, *overrides: str) -> TrainConfig:
    return make_config(with_overrides({"images": place, "kind": "triplet", "regions": {"by": "crop"}}, overrides))


def opened(place: Path, *overrides: str) -> ImageFiles:
    files = open_dataset(place, kind="triplet", columns={}, regions=config_of(place, *overrides).regions)
    assert isinstance(files, ImageFiles)
    return files


def read(place: Path, *overrides: str, **options: object) -> Images:
    images, bad = read_images(opened(place, *overrides), SMALL, max_cache_bytes=2**20, **options)  # type: ignore[arg-type]
    assert bad == []
    return images


@pytest.mark.parametrize("form", ["coco", "yolo", "yaml", "csv"])
@pytest.mark.parametrize("max_cache_bytes", [0, 2**20])
def test_images_are_the_crops_under_their_classes(tmp_path: Path, form: str, max_cache_bytes: int) -> None:
    """Of every form of table, kept or decoded again each time."""
    scenes = make_scenes(tmp_path, (2, 0, 3, 4, 3))
    write_yolo(tmp_path, scenes)
    place = {
        "coco": write_coco(tmp_path / "instances.json", coco_facts(scenes)),
        "yolo": tmp_path,
        "yaml": tmp_path / "data.yaml",
        "csv": write_boxes(tmp_path / "t.csv", scenes),
    }[form]
    images, bad = read_images(opened(place), SMALL, max_cache_bytes=max_cache_bytes)
    crops = [resize_pixels(np.ascontiguousarray(crop), SMALL) for scene in scenes for crop in scene.crops()]
    labels = [CLASSES[kind] for scene in scenes for kind, _ in scene.objects]
    assert bad == []
    assert [images.files.classes[label] for label in images.labels] == labels
    np.testing.assert_array_equal(images.pixels(np.arange(len(images))), np.stack(crops))
    assert len(set(images.hashes)) == len(crops)
    if form == "coco":
        assert images.files.names[:3] == ("000.png#0", "000.png#1", "002.png#0")


def test_region_is_part_of_what_pixels_are_kept_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On disk between runs: the same crops come back undecoded, and with another padding others; a picture is decoded
    once for all of its objects."""
    file = write_coco(tmp_path / "instances.json", coco_facts(make_scenes(tmp_path, (3, 3))))
    decodings: list[int] = []
    decoded = image_reading.decoded

    def counting(*arguments: Any) -> Any:
        decodings.append(1)
        return decoded(*arguments)

    monkeypatch.setattr(image_reading, "decoded", counting)

    def cached(*overrides: str) -> np.ndarray:
        cache = PixelCache(tmp_path / "cache", SMALL, max_bytes=2**24, warn=lambda _: None)
        images = read(file, *overrides, cache=cache)
        return images.pixels(np.arange(len(images)))

    first = cached()
    assert len(decodings) == 2
    np.testing.assert_array_equal(cached(), first)
    assert len(decodings) == 2
    padded = cached("regions.padding=0.3")
    assert len(decodings) == 4
    assert not np.array_equal(padded, first)
    np.testing.assert_array_equal(padded, read(file, "regions.padding=0.3").pixels(np.arange(6)))


def test_outside_of_a_mask_has_the_colour_of_the_model(tmp_path: Path) -> None:
    """As scoring fills it, which knows the same mean; kept in memory or not."""
    scenes = make_scenes(tmp_path, (1, 1))
    facts = coco_facts(scenes)
    for annotation in facts["annotations"]:
        annotation |= {"bbox": [4, 4, 12, 12], "segmentation": [[0, 0, 10, 0, 10, 60, 0, 60]]}
    file = write_coco(tmp_path / "instances.json", facts)
    for max_cache_bytes in (0, 2**20):
        images, _ = read_images(opened(file), SMALL, max_cache_bytes=max_cache_bytes)
        pixels = images.pixels(np.arange(2))
        assert (pixels[:, :, 6:] == SMALL.fill).all()
        np.testing.assert_array_equal(pixels[0][:, :6], scenes[0].pixels[4:16, 4:10])
    kept = read(file, "regions.background=keep").pixels(np.arange(2))
    np.testing.assert_array_equal(kept[0], scenes[0].pixels[4:16, 4:16])


def test_bad_boxes_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    """Named by their ids; the others of the picture stay."""
    facts = coco_facts(make_scenes(tmp_path, (3, 2)))
    facts["annotations"][1]["bbox"] = [900, 900, 5, 5]
    facts["images"][1]["width"] = 7
    file = write_coco(tmp_path / "instances.json", facts)
    images, bad = read_images(opened(file), SMALL, max_cache_bytes=2**20)
    assert [each.name for each in bad] == ["000.png#1", "001.png#0", "001.png#1"]
    assert bad[0].reason.startswith("a box outside the picture of ")
    assert bad[1].reason.startswith("a box of a picture of 7x")
    assert len(images) == 2


def test_tables_that_have_no_objects_are_refused_in_one_line(tmp_path: Path) -> None:
    """Without boxes, of tuples, and objects that nobody asked for."""
    scenes = make_scenes(tmp_path, (2,))
    (tmp_path / "plain.csv").write_text("image,label\nimages/000.png,a\n")
    with pytest.raises(DataError, match="regions of a table: expected boxes"):
        opened(tmp_path / "plain.csv")
    (tmp_path / "tuples.csv").write_text("anchor,positive,negative,x,y,w,h\na.png,b.png,c.png,1,2,3,4\n")
    with pytest.raises(UsageError, match="--regions: expected a table of images with their classes, got one of tuples"):
        opened(tmp_path / "tuples.csv")
    with pytest.raises(DataError, match="its objects have classes: cut them out with --regions crop"):
        open_dataset(write_coco(tmp_path / "x.json", coco_facts(scenes)), kind="triplet", columns={})
    with pytest.raises(UsageError, match=r"--regions crop: expected a table with boxes, .* got a folder of images"):
        opened(tmp_path)
    with pytest.raises(UsageError, match=r"--set regions.images x: expected a table with boxes, .* got a folder of"):
        open_dataset(tmp_path, kind="triplet", columns={}, regions=RegionsConfig(images="x"))
    with pytest.raises(UsageError, match=r"regions.by: expected .*'crop'"):
        make_config(with_overrides({"images": tmp_path, "kind": "triplet"}, ["regions.by=boxes"]))


def test_what_a_table_tells_is_told_in_training_too(tmp_path: Path) -> None:
    """Pictures without an object, and images that a data.yaml names and are not there."""
    scenes = make_scenes(tmp_path, (2, 0))
    write_yolo(tmp_path, scenes, settings="train: images\nval: gone\nnames: [a, b, c]\n")
    assert [(notice.message, notice.is_warning) for notice in opened(tmp_path / "data.yaml").notices] == [
        ("data.yaml names images that are not there: val: gone", False),
        ("1 of 2 images have no object", False),
    ]


@pytest.mark.parametrize("setting", ["padding=0.1", "edge=fill", "background=keep", "boxes=x,y,w,h", "box_unit=share"])
def test_settings_of_objects_that_nobody_asked_for_are_refused(tmp_path: Path, setting: str) -> None:
    """They would change nothing."""
    name, _, value = setting.partition("=")
    config = make_config(with_overrides({"images": tmp_path, "kind": "triplet"}, [f"regions.{setting}"]))
    with pytest.raises(UsageError) as caught:
        fit(config, tmp_path / "run")
    assert str(caught.value) == (
        f"regions.{name}: expected --regions crop beside it, got {value} alone (--set regions.{name}=...)"
    )


def test_run_on_objects_trains_and_says_how_they_were_cut(tmp_path: Path) -> None:
    """A whole run of one epoch; config.yaml holds the regions."""
    scenes = make_scenes(tmp_path / "set", (4,) * 12)
    file = write_coco(tmp_path / "set" / "instances.json", coco_facts(scenes))
    config = make_config(
        {
            "images": file,
            "kind": "triplet",
            "regions": {"by": "crop", "padding": 0.1},
            "base": "conv4",
            "size": 16,
            "dim": 8,
            "epochs": 1,
            "loop": {"device": "cpu"},
            "cache": tmp_path / "cache",
        }
    )
    run = fit(config, tmp_path / "run")
    assert run.facts["metrics"] is not None
    assert "by: crop" in (tmp_path / "run" / "config.yaml").read_text()
