"""COCO files as tables: objects and images, and what is odd in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from artifact.errors import DataError, UsageError
from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from rows.formats.reading import Reading
from rows.images import ImageRef
from rows.regions import RegionOptions
from rows.tables import ImageTable, open_table
from tests.shared.object_tables import CLASSES, coco_facts, make_scenes, write_coco
from tests.shared.run_lengths import packed_runs, plain_runs

GREY = (124, 116, 104)


def objects(file: Path, **options: Any) -> ImageTable:
    """The table of its objects."""
    return open_table(file, regions=RegionOptions(**options))


def rows_of(table: ImageTable) -> tuple[list[dict[str, Any]], list[ImageRef]]:
    """All copied rows, and the image of each."""
    batches = list(table.batches(3))
    rows = [row for batch in batches for row in batch.copied.to_pylist()]
    return rows, [ref for batch in batches for ref in batch.images["image"]]


def reason_of(ref: ImageRef) -> str:
    """Why there is no picture of a row."""
    with pytest.raises(ImageError) as caught:
        ref.read()
    return str(caught.value)


def test_rows_are_the_objects_by_image(tmp_path: Path) -> None:
    """Id, object, class and box of each; images in their order, whatever that of the annotations."""
    scenes = make_scenes(tmp_path)
    facts = coco_facts(scenes)
    facts["annotations"] = facts["annotations"][::-1]
    rows, refs = rows_of(objects(write_coco(tmp_path / "instances.json", facts)))
    expected = [
        {
            "id": f"{scene.name}#{number}",
            "label": CLASSES[kind],
            "box": [float(x), float(y), float(x + width), float(y + height)],
        }
        for scene in scenes
        for number, (kind, (x, y, width, height)) in enumerate(reversed(scene.objects))
    ]
    assert [{name: row[name] for name in ("id", "label", "box")} for row in rows] == expected
    assert sorted(row["object_id"] for row in rows) == [7, 8, 9, 10, 11, 12]
    crops = [crop for scene in scenes for crop in reversed(scene.crops())]
    for ref, crop in zip(refs, crops, strict=True):
        assert np.array_equal(decode_image(ref.read()), crop)


def test_rows_without_regions_are_the_images_each_once(tmp_path: Path) -> None:
    """A picture without an object too; ids are the file names."""
    scenes = make_scenes(tmp_path)
    table = open_table(write_coco(tmp_path / "instances.json", coco_facts(scenes)))
    rows, refs = rows_of(table)
    assert [row["id"] for row in rows] == [scene.name for scene in scenes]
    assert table.copied_schema.names == ["id"]
    assert all(np.array_equal(decode_image(ref.read()), scene.pixels) for ref, scene in zip(refs, scenes, strict=True))


def test_ids_are_distinct_where_images_share_a_name(tmp_path: Path) -> None:
    """A file that lists a picture twice, with objects under either id; ids of other images are what they were."""
    scenes = make_scenes(tmp_path, (2, 1, 3))
    facts = coco_facts(scenes)
    facts["images"].append({**facts["images"][0], "id": 200})
    facts["images"].insert(1, {**facts["images"][2], "id": 300})
    more = [{**facts["annotations"][0], "id": 90 + each, "image_id": (200, 300, 200)[each]} for each in range(3)]
    facts["annotations"] = [*more, *facts["annotations"]]
    rows, _ = rows_of(objects(write_coco(tmp_path / "instances.json", facts)))
    assert [(row["id"], row["object_id"]) for row in rows] == [
        ("000.png#0", 7),
        ("000.png#1", 8),
        ("002.png#0", 91),
        ("001.png#0", 9),
        ("002.png#1", 10),
        ("002.png#2", 11),
        ("002.png#3", 12),
        ("000.png#2", 90),
        ("000.png#3", 92),
    ]


@pytest.mark.parametrize("start", range(7))
def test_reading_from_a_row_on_gives_the_same_rows(tmp_path: Path, start: int) -> None:
    """As a job does that goes on."""
    table = objects(write_coco(tmp_path / "instances.json", coco_facts(make_scenes(tmp_path))))
    whole = [name for batch in table.batches(10) for name in batch.ids]
    assert [name for batch in table.batches(2, start) for name in batch.ids] == whole[start:]
    assert table.num_rows == len(whole) == 6


@pytest.mark.parametrize("how", ["polygons", "flat", "counts", "packed"])
def test_surroundings_of_a_mask_are_filled(tmp_path: Path, how: str) -> None:
    """Polygons of two parts, and run lengths in both writings, give the same pixels; kept where that is asked for."""
    scenes = make_scenes(tmp_path, (1,))
    facts = coco_facts(scenes)
    height, width = scenes[0].pixels.shape[:2]
    inside = np.zeros((height, width), bool)
    inside[10:20, 8:25] = True
    if how != "flat":
        inside[12:16, 30:33] = True
    one, two = [8, 10, 25, 10, 25, 20, 8, 20], [30, 12, 33, 12, 33, 16, 30, 16]
    runs = plain_runs(inside)
    facts["annotations"][0] |= {
        "bbox": [5, 6, 33, 18],
        "segmentation": {
            "polygons": [one, two],
            "flat": one,
            "counts": {"size": [height, width], "counts": runs},
            "packed": {"size": [height, width], "counts": packed_runs(runs)},
        }[how],
    }
    file = write_coco(tmp_path / "instances.json", facts)
    expected = np.where(inside[..., None], scenes[0].pixels, np.array(GREY, np.uint8))[6:24, 5:38]
    (_, (ref,)), (_, (kept,)) = rows_of(objects(file)), rows_of(objects(file, background="keep"))
    assert np.array_equal(decode_image(ref.read()), expected)
    assert np.array_equal(decode_image(kept.read()), scenes[0].pixels[6:24, 5:38])


ODD: list[tuple[dict[str, Any], str]] = [
    ({"image_id": 999}, "no image: its image_id 999 is not among the images of instances.json"),
    ({"image_id": None}, "no image: its image_id 'None' is not among the images of instances.json"),
    ({"image_id": [1]}, "no image: its image_id '[1]' is not among the images of instances.json"),
    ({"bbox": None}, "no bbox of four numbers"),
    ({"bbox": [1, 2, 3]}, "no bbox of four numbers"),
    ({"bbox": "1234"}, "no bbox of four numbers"),
    ({"bbox": [1, 2, 0, 5], "area": None}, "a box without an area: from 1, 2 to 1, 7 px"),
    ({"bbox": [5, 2, -3, 5]}, "a box that ends before it begins: from 5, 2 to 2, 7 px"),
    ({"bbox": [1, 2, None, 5]}, "a box with a number that is none: from 1, 2 to nan, 7 px"),
    ({"bbox": [900, 2, 30, 5]}, "a box outside the picture of"),
    ({"area": 0}, "an object of area 0"),
    ({"segmentation": "polygon"}, "its segmentation is no list of polygons and no run lengths: '\"polygon\"'"),
    ({"segmentation": {"counts": [1]}}, "its segmentation is no list of polygons and no run lengths:"),
    ({"segmentation": {"size": [2, 2], "counts": [4]}}, "its mask is of a picture of 2x2, and this one is"),
    ({"segmentation": [[1, 2, 3]]}, "its mask has a polygon of 3 numbers, expected pairs, three or more"),
    ({"segmentation": [[300, 300, 310, 300, 310, 310]]}, "a mask without a pixel in its box"),
]


@pytest.mark.parametrize(("change", "reason"), ODD)
def test_odd_annotation_is_a_bad_row_among_good_ones(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    """It says why, and the others are cut out."""
    facts = coco_facts(make_scenes(tmp_path, (2, 1)))
    facts["annotations"][1] |= change
    rows, refs = rows_of(objects(write_coco(tmp_path / "instances.json", facts)))
    assert len(rows) == 3
    odd = next(ref for row, ref in zip(rows, refs, strict=True) if row["object_id"] == 8)
    assert reason_of(odd).startswith(reason)
    assert sum(decode_image(ref.read()).size > 0 for ref in refs if ref is not odd) == 2


def test_picture_of_another_size_is_another_picture(tmp_path: Path) -> None:
    """Its boxes are refused, and not drawn somewhere else."""
    facts = coco_facts(make_scenes(tmp_path, (1,)))
    facts["images"][0] |= {"width": 640, "height": 480}
    _, (ref,) = rows_of(objects(write_coco(tmp_path / "instances.json", facts)))
    assert reason_of(ref).startswith("a box of a picture of 640x480, and this one is")


def test_category_that_is_not_named_is_a_row_without_a_label(tmp_path: Path) -> None:
    """The object is there all the same; area and iscrowd are copied where that is asked for."""
    facts = coco_facts(make_scenes(tmp_path, (1,)))
    facts["annotations"][0] |= {"category_id": 77, "iscrowd": 1, "area": 12.5}
    file = write_coco(tmp_path / "instances.json", facts)
    table = open_table(file, regions=RegionOptions(), copy=["area", "iscrowd"])
    (row,) = next(table.batches(5)).copied.to_pylist()
    assert (row["label"], row["area"], row["iscrowd"]) == (None, 12.5, True)
    assert table.copied_schema.names == ["id", "object_id", "label", "area", "iscrowd", "box"]


@pytest.mark.parametrize(
    ("json_at", "images_at"),
    [
        ("instances.json", "."),
        ("instances.json", "images"),
        ("annotations/instances.json", "images"),
        ("annotations/instances_val2017.json", "val2017"),
        ("annotations/instances_train.json", "images/train"),
        ("annotations/instances.json", "."),
    ],
)
def test_images_are_found_beside_the_file(tmp_path: Path, json_at: str, images_at: str) -> None:
    """Where data sets have them."""
    scenes = make_scenes(tmp_path / "made", (1,))
    target = tmp_path / "set" / images_at / scenes[0].name
    target.parent.mkdir(parents=True)
    (tmp_path / "made" / "images" / scenes[0].name).rename(target)
    _, (ref,) = rows_of(objects(write_coco(tmp_path / "set" / json_at, coco_facts(scenes))))
    assert np.array_equal(decode_image(ref.read()), scenes[0].crops()[0])


def test_folder_of_images_can_be_named(tmp_path: Path) -> None:
    """Where nobody would look; what is not there is a note and bad rows, and a folder that is none is refused."""
    scenes = make_scenes(tmp_path / "elsewhere", (2,))
    file = write_coco(tmp_path / "set" / "instances.json", coco_facts(scenes))
    named = open_table(file, regions=RegionOptions(), reading=Reading(images=str(tmp_path / "elsewhere" / "images")))
    assert np.array_equal(decode_image(rows_of(named)[1][0].read()), scenes[0].crops()[0])
    lost = objects(file)
    assert lost.notes == [f"instances.json: none of its images is in {tmp_path / 'set'}"]
    assert reason_of(rows_of(lost)[1][0]).startswith("no such file: ")
    with pytest.raises(DataError, match="folder of the images: expected a folder, got none"):
        open_table(file, reading=Reading(images=str(tmp_path / "nowhere")))
    (tmp_path / "t.csv").write_text("image\na.png\n")
    with pytest.raises(UsageError, match="--images: expected none: the table says where its images are"):
        open_table(tmp_path / "t.csv", reading=Reading(images=str(tmp_path)))


def test_file_elsewhere_is_read_from_there(tmp_path: Path) -> None:
    """In object storage, its images beside it; masks are read from their place in it."""
    scenes = make_scenes(tmp_path, (2, 1))
    facts = coco_facts(scenes)
    facts["annotations"][0]["segmentation"] = [[0, 0, 60, 0, 60, 60, 0, 60]]
    place = fsspec.filesystem("memory")
    place.makedirs("/objects/images", exist_ok=True)
    place.pipe("/objects/instances.json", json.dumps(facts).encode())
    for scene in scenes:
        place.pipe(f"/objects/images/{scene.name}", (tmp_path / "images" / scene.name).read_bytes())
    rows, refs = rows_of(open_table("memory://objects/instances.json", regions=RegionOptions()))
    crops = [crop for scene in scenes for crop in scene.crops()]
    assert [row["id"] for row in rows] == ["000.png#0", "000.png#1", "001.png#0"]
    assert all(np.array_equal(decode_image(ref.read()), crop) for ref, crop in zip(refs, crops, strict=True))


def test_several_files_are_one_table(tmp_path: Path) -> None:
    """By a pattern; each with its own images."""
    for place in ("a", "b"):
        write_coco(tmp_path / place / "instances.json", coco_facts(make_scenes(tmp_path / place, (1, 1), ord(place))))
    table = open_table(str(tmp_path / "*" / "instances.json"), regions=RegionOptions())
    rows, refs = rows_of(table)
    assert (table.num_rows, len(rows)) == (4, 4)
    assert len({ref.read() for ref in refs}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}', "table of objects: expected a COCO file with images and annotations, got none (x.json)"),
        (
            '{"rows": [1]}',
            "table of objects: expected a COCO file with images and annotations, got arrays rows (x.json)",
        ),
        (
            '{"images": [], "annotations": []}',
            "table of objects: expected a COCO file with images and annotations, got none (x.json)",
        ),
        ('{"images": [{"id": 1, "file_name": "a"}]}', "table: expected rows, got none (x.json)"),
        ('{"images": [3], "annotations": []}', "images, byte 12: expected an object, got int (x.json)"),
        ('{"images": [{"id": 1}]}', "image, byte 12: expected id and file_name, got {'id': 1} (x.json)"),
        (
            '{"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}',
            "image, byte 41: expected an id of its own, got a second 1 (x.json)",
        ),
        ('{"images": [{"id": 1, "file_na', 'JSON, byte 12: expected a value, got \'{"id": 1, "file_na\' (x.json)'),
    ],
)
def test_file_that_is_none_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    """What was expected, and where."""
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError) as caught:
        objects(tmp_path / "x.json")
    assert str(caught.value) == message


def test_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    """Its masks are read from their place in it."""
    facts = coco_facts(make_scenes(tmp_path, (1,)))
    facts["annotations"][0]["segmentation"] = [[0, 0, 9, 0, 9, 9]]
    file = write_coco(tmp_path / "instances.json", facts)
    table = objects(file)
    file.write_text(json.dumps(facts)[::-1])
    with pytest.raises(DataError, match="the file as it was when it was opened"):
        rows_of(table)


def test_reading_that_differs_is_another_table(tmp_path: Path) -> None:
    """Images or objects: a job of one is not gone on with as the other."""
    file = write_coco(tmp_path / "instances.json", coco_facts(make_scenes(tmp_path)))
    prints = {open_table(file).fingerprint, objects(file).fingerprint}
    assert len(prints) == 2
    assert objects(file).fingerprint in prints


def test_ids_with_a_point_are_whole_numbers_and_ids_of_text_are_kept(tmp_path: Path) -> None:
    """A table with gaps makes 3 a 3.0; an id of text is the annotation's id, and those beside it are texts then."""
    scenes = make_scenes(tmp_path)
    plain = coco_facts(scenes)
    expected, _ = rows_of(objects(write_coco(tmp_path / "plain.json", plain)))
    for image in plain["images"]:
        image["id"] = float(image["id"])
    for one in plain["annotations"]:
        one |= {name: float(one[name]) for name in ("id", "image_id", "category_id")}
    assert rows_of(objects(write_coco(tmp_path / "floats.json", plain)))[0] == expected
    plain["annotations"][1]["id"] = "a17"
    texts, _ = rows_of(objects(write_coco(tmp_path / "texts.json", plain)))
    ids = [row["object_id"] for row in texts]
    assert sorted(ids) == sorted(["a17", *(str(row["object_id"]) for row in expected if row["object_id"] != 8)])


def test_names_that_are_not_utf_8_are_read(tmp_path: Path) -> None:
    """JSON has them as halves of surrogate pairs; what no file can be called is refused with its place."""
    scenes = make_scenes(tmp_path, (1, 2))
    raw = b"caf\xe9.png"
    (tmp_path / "images" / scenes[0].name).rename(os.fsdecode(os.fsencode(tmp_path / "images") + b"/" + raw))
    facts = coco_facts(scenes)
    facts["images"][0]["file_name"] = os.fsdecode(raw)
    facts["categories"][0]["name"] = "\udcff"
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(facts))
    rows, refs = rows_of(objects(file))
    assert rows[0]["id"] == "caf\\xe9.png#0"
    np.testing.assert_array_equal(decode_image(refs[0].read()), scenes[0].crops()[0])
    pictures, _ = rows_of(open_table(file))
    assert [row["id"] for row in pictures] == ["caf\\xe9.png", scenes[1].name]
    facts["images"][0]["file_name"] = "\ud83d.png"
    file.write_text(json.dumps(facts))
    with pytest.raises(DataError, match=r"image, byte .*expected id and file_name"):
        open_table(file)


@pytest.mark.parametrize("empty", [[], [[]], [[], []], None])
def test_a_segmentation_of_nothing_is_no_mask(tmp_path: Path, empty: Any) -> None:
    """However an exporter of boxes writes it, the box is the object."""
    (scene,) = make_scenes(tmp_path, (2,))
    facts = coco_facts([scene])
    for one in facts["annotations"]:
        one["segmentation"] = empty
    _, refs = rows_of(objects(write_coco(tmp_path / "instances.json", facts)))
    for ref, crop in zip(refs, scene.crops(), strict=True):
        np.testing.assert_array_equal(decode_image(ref.read()), crop)
