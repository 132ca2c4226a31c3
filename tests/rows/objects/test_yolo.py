"""YOLO data sets as tables: layouts, lines, and what is odd in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artifact.errors import DataError, UsageError
from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from rows.formats.objects.yolo import parse_line
from rows.formats.reading import Reading
from rows.regions import RegionOptions
from rows.tables import ImageTable, open_table
from tests.rows.objects.test_coco import GREY, reason_of, rows_of
from tests.shared.object_tables import CLASSES, Scene, make_scenes, write_yolo


def objects(place: Path) -> ImageTable:
    """The table of its objects."""
    return open_table(place, regions=RegionOptions())


def one_line(folder: Path, line: str) -> Path:
    """A data set of one picture whose labels are that line."""
    (scene,) = make_scenes(folder, (1,))
    write_yolo(folder, [scene])
    (folder / "labels" / "000.txt").write_text(line, encoding="utf-8")
    return folder


@pytest.mark.parametrize("place", ["", "data.yaml"])
def test_rows_are_the_lines_of_each_image(tmp_path: Path, place: str) -> None:
    """By the folder, or by its settings; an image without a label file has none."""
    scenes = make_scenes(tmp_path)
    table = objects(write_yolo(tmp_path, scenes) / place)
    rows, refs = rows_of(table)
    assert [(row["id"], row["object_id"], row["label"]) for row in rows] == [
        (f"images/{scene.name}#{number}", number, CLASSES[kind])
        for scene in scenes
        for number, (kind, _) in enumerate(scene.objects)
    ]
    boxes = [
        (x / scene.pixels.shape[1], y / scene.pixels.shape[0]) for scene in scenes for _, (x, y, _, _) in scene.objects
    ]
    assert np.allclose([row["box"][:2] for row in rows], boxes)
    crops = [crop for scene in scenes for crop in scene.crops()]
    assert all(np.array_equal(decode_image(ref.read()), crop) for ref, crop in zip(refs, crops, strict=True))
    assert table.notes == ["1 of 4 images have no object"]


@pytest.mark.parametrize("start", range(7))
def test_reading_from_a_row_on_gives_the_same_rows(tmp_path: Path, start: int) -> None:
    """As a job does that goes on."""
    table = objects(write_yolo(tmp_path, make_scenes(tmp_path)))
    whole = [name for batch in table.batches(10) for name in batch.ids]
    assert [name for batch in table.batches(2, start) for name in batch.ids] == whole[start:]
    assert table.num_rows == len(whole) == 6


def test_rows_without_regions_are_the_images_each_once(tmp_path: Path) -> None:
    """The same whether its folder is named, which is an image folder then, or its settings."""
    scenes = make_scenes(tmp_path)
    write_yolo(tmp_path, scenes)
    names = [f"images/{scene.name}" for scene in scenes]
    for table in (
        open_table(tmp_path),
        open_table(tmp_path / "data.yaml"),
        open_table(tmp_path, reading=Reading(format="yolo")),
    ):
        assert [row["id"] for row in rows_of(table)[0]] == names


def test_line_of_a_polygon_is_a_mask_and_its_bounds_the_box(tmp_path: Path) -> None:
    """What lies outside is filled."""
    (scene,) = make_scenes(tmp_path, (1,))
    write_yolo(tmp_path, [scene])
    height, width = scene.pixels.shape[:2]
    corners = [(4, 6), (20, 6), (20, 18), (12, 18), (12, 12), (4, 12)]
    numbers = " ".join(f"{x / width:.9f} {y / height:.9f}" for x, y in corners)
    (tmp_path / "labels" / "000.txt").write_text(f"2 {numbers}\n")
    expected = scene.pixels[6:18, 4:20].copy()
    expected[6:, :8] = GREY
    (row,), (ref,) = rows_of(objects(tmp_path))
    assert row["label"] == CLASSES[2]
    assert np.array_equal(decode_image(ref.read()), expected)


@pytest.mark.parametrize(
    ("settings", "images", "labels", "names"),
    [
        ("train: images/train\nval: images/val\nnames: [a, b, c]\n", ("images/train", "images/val"), None, "abc"),
        (
            "train: ../train/images\nval: ../valid/images\nnames: {0: a, 1: b, 2: c}\n",
            ("train/images", "valid/images"),
            ("train/labels", "valid/labels"),
            "abc",
        ),
        ("path: set\ntrain: [one, two]\nnames: [a, b, c]\n", ("set/one", "set/two"), ("set/one", "set/two"), "abc"),
        ("path: gone\ntrain: train.txt\nnames: [a, b, c]\n", ("images/x", "images/y"), ("labels/x", "labels/y"), "abc"),
        ("nc: 3\n", ("images/x", "images/y"), ("labels/x", "labels/y"), "012"),
    ],
)
def test_layouts_of_data_sets_are_found(
    tmp_path: Path, settings: str, images: tuple[str, str], labels: tuple[str, str] | None, names: str
) -> None:
    """Those of Ultralytics, of Roboflow, of several folders, of a list, and without a word about folders."""
    labels = labels or tuple(place.replace("images", "labels") for place in images)  # type: ignore[assignment]
    scenes = []
    for number, (at, beside) in enumerate(zip(images, labels, strict=True)):
        (scene,) = make_scenes(tmp_path / f"made{number}", (2,), seed=number)
        (tmp_path / at).mkdir(parents=True)
        (tmp_path / beside).mkdir(parents=True, exist_ok=True)
        (tmp_path / f"made{number}" / "images" / scene.name).rename(tmp_path / at / f"{number}.png")
        write_yolo(tmp_path / f"made{number}", [scene])
        (tmp_path / f"made{number}" / "labels" / "000.txt").rename(tmp_path / beside / f"{number}.txt")
        scenes.append(scene)
    (tmp_path / "data.yaml").write_text(settings)
    (tmp_path / "train.txt").write_text("./images/x/0.png\n\nimages/y/1.png\n")
    rows, refs = rows_of(open_table(tmp_path / "data.yaml", regions=RegionOptions()))
    crops = [crop for scene in scenes for crop in scene.crops()]
    assert all(np.array_equal(decode_image(ref.read()), crop) for ref, crop in zip(refs, crops, strict=True))
    assert [row["label"] for row in rows] == [names[kind] for scene in scenes for kind, _ in scene.objects]


def test_images_that_the_settings_name_and_are_not_there_are_told(tmp_path: Path) -> None:
    """Whether its rows are images or objects: half of a data set would be missing."""
    write_yolo(tmp_path, make_scenes(tmp_path, (1,)), settings="train: images\nval: [gone, away]\nnames: [a, b, c]\n")
    told = ["data.yaml names images that are not there: val: gone, val: away"]
    assert objects(tmp_path).notes == open_table(tmp_path / "data.yaml").notes == told


def test_folder_without_settings_takes_its_classes_from_a_text(tmp_path: Path) -> None:
    """`classes.txt`, as annotation programs write it; without one the numbers are the labels."""
    (scene,) = make_scenes(tmp_path, (1,))
    write_yolo(tmp_path, [scene])
    (tmp_path / "data.yaml").unlink()
    kind = scene.objects[0][0]
    assert rows_of(objects(tmp_path))[0][0]["label"] == str(kind)
    (tmp_path / "labels" / "classes.txt").write_text("x\ny\nz\n")
    assert rows_of(objects(tmp_path))[0][0]["label"] == "xyz"[kind]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5", "a line of 2 numbers, expected 4 numbers behind the class, or pairs of a polygon: '0 0.5 0.5'"),
        ("0 1 2 3 4 5 6 7", "a line of 7 numbers, expected 4 numbers behind the class"),
        ("cat 0.5 0.5 0.1 0.1", "a line with what is no number: 'cat 0.5 0.5 0.1 0.1'"),
        ("0.5 0.5 0.5 0.1 0.1", "a line that does not begin with the number of a class"),
        ("-1 0.5 0.5 0.1 0.1", "a line that does not begin with the number of a class"),
        ("3 0.5 0.5 0.1 0.1", "class 3, of which the settings know 3: '3 0.5 0.5 0.1 0.1'"),
        ("0 nan 0.5 0.1 0.1", "a box with a number that is none: from nan, 0.45 to nan, 0.55 as shares"),
        ("0 0.5 0.5 0 0.1", "a box without an area: from 0.5, 0.45 to 0.5, 0.55 as shares"),
        ("0 0.5 0.5 -0.1 0.1", "a box that ends before it begins"),
        ("0 1.5 0.5 0.1 0.1", "a box outside the picture of"),
        ("0 20 20 10 10", "a box outside the picture of"),
        ("0 0.1 0.1 inf 0.1 0.2 0.2", "a polygon with a number that is none"),
    ],
)
def test_odd_line_is_a_bad_row(tmp_path: Path, line: str, reason: str) -> None:
    """It says why; a good line beside it is cut out."""
    _, refs = rows_of(objects(one_line(tmp_path, f"{line}\n1 0.5 0.5 0.9 0.9\n")))
    assert len(refs) == 2
    assert reason_of(refs[0]).startswith(reason)
    assert decode_image(refs[1].read()).size > 0


def test_file_of_labels_that_is_none_is_one_bad_row(tmp_path: Path) -> None:
    """Bytes of something else, and a folder in its place."""
    folder = one_line(tmp_path, "")
    (folder / "labels" / "000.txt").write_bytes(b"\xff\xfe\x00\x01")
    assert reason_of(rows_of(objects(folder))[1][0]) == "its labels are no text in UTF-8: 000.txt"
    (folder / "labels" / "000.txt").unlink()
    (folder / "labels" / "000.txt").mkdir()
    assert reason_of(rows_of(objects(folder))[1][0]) == "its labels cannot be read (Is a directory): 000.txt"


def test_confidence_of_a_prediction_is_copied_where_asked_for(tmp_path: Path) -> None:
    """The sixth number of a line."""
    folder = one_line(tmp_path, "1 0.5 0.5 0.5 0.5 0.875\n")
    table = open_table(folder, regions=RegionOptions(), copy=["confidence", "split"])
    (row,) = next(table.batches(2)).copied.to_pylist()
    assert (row["confidence"], row["split"]) == (0.875, "train")
    assert parse_line("1 0.5 0.5 0.5 0.5", None).confidence is None


def test_image_folder_of_the_same_names_stays_one(tmp_path: Path) -> None:
    """Classes that are called images and labels, without a text: regions are refused, and nothing else changes."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9)).save(tmp_path / name / "a.png")
    assert [row["label"] for row in rows_of(open_table(tmp_path))[0]] == ["images", "labels"]
    with pytest.raises(DataError, match="regions of a table: expected boxes"):
        objects(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("names: [a\n", "settings of a YOLO data set: expected YAML in UTF-8"),
        ("- a\n", "settings of a YOLO data set: expected keys such as names and train, got list"),
        ("names: a\ntrain: images\n", "names of the classes: expected a list, or numbers with names, got 'a'"),
        ("names: [a]\ntrain: nowhere\npath: {}\n", "YOLO data set: expected images, got none"),
    ],
)
def test_settings_that_are_none_are_refused_in_one_line(tmp_path: Path, settings: str, message: str) -> None:
    """With the file."""
    (tmp_path / "data.yaml").write_text(settings)
    with pytest.raises(DataError) as caught:
        objects(tmp_path / "data.yaml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_place_that_is_no_data_set_is_refused_in_one_line(tmp_path: Path) -> None:
    """By name where it was named, and formats that are none with those there are."""
    yolo = Reading(format="yolo")
    with pytest.raises(DataError, match=r"expected images, got neither a data\.yaml nor a folder images"):
        open_table(tmp_path, reading=yolo, regions=RegionOptions())
    with pytest.raises(DataError, match="table of images: expected a file or a folder, got nothing there"):
        open_table(tmp_path / "gone", reading=yolo, regions=RegionOptions())
    with pytest.raises(UsageError, match="format of the table: expected one of coco, yolo, got voc"):
        Reading(format="voc")
    with pytest.raises(UsageError, match="--images: expected none: the table says where its images are"):
        open_table(one_line(tmp_path, ""), reading=Reading(format="yolo", images=str(tmp_path)))


def test_labels_that_change_while_they_are_read_are_told(tmp_path: Path) -> None:
    """The rows behind them would be others."""
    scenes: list[Scene] = make_scenes(tmp_path)
    table = objects(write_yolo(tmp_path, scenes))
    (tmp_path / "labels" / "000.txt").write_text("")
    with pytest.raises(DataError, match="the labels as they were when it was opened, got another number of lines"):
        rows_of(table)
    with pytest.raises(ImageError):
        rows_of(objects(one_line(tmp_path / "one", "0 1 2")))[1][0].read()


@pytest.mark.parametrize("changed", ["labels", "images"])
def test_several_data_sets_are_another_table_when_one_changes(tmp_path: Path, changed: str) -> None:
    """Labels and pictures of any of them, though the settings, which are the files of the table, are the same."""
    for name in ("a", "b"):
        write_yolo(tmp_path / name, make_scenes(tmp_path / name))
    before = objects(tmp_path / "*" / "data.yaml").fingerprint
    assert objects(tmp_path / "*" / "data.yaml").fingerprint == before
    file = next((tmp_path / "b" / changed).iterdir())
    file.write_bytes(file.read_bytes() + b"\n")
    assert objects(tmp_path / "*" / "data.yaml").fingerprint != before


def test_a_data_set_is_found_behind_a_link(tmp_path: Path) -> None:
    """Though its settings name the images by the place behind it, and its list by the one in front."""
    real = tmp_path / "some" / "where" / "deep"
    (scene,) = make_scenes(real / "set", (2,))
    write_yolo(real / "set", [scene], settings=f"train: {real / 'set' / 'images'}\nnames: [a, b, c]\n")
    (tmp_path / "link").symlink_to(real)
    expected = [f"images/{scene.name}#{number}" for number in range(2)]
    assert [row["id"] for row in rows_of(objects(tmp_path / "link" / "set"))[0]] == expected
    (real / "set" / "list.txt").write_text(f"{tmp_path / 'link' / 'set' / 'images' / scene.name}\n")
    (real / "set" / "data.yaml").write_text("train: list.txt\nnames: [a, b, c]\n")
    rows, refs = rows_of(objects(tmp_path / "link" / "set" / "data.yaml"))
    assert [row["id"] for row in rows] == expected
    np.testing.assert_array_equal(decode_image(refs[0].read()), scene.crops()[0])


def test_labels_stand_in_the_place_of_images_in_the_whole_path(tmp_path: Path) -> None:
    """Where the settings' own path ends in `images`, its labels lie beside that."""
    (scene,) = make_scenes(tmp_path, (2,))
    write_yolo(tmp_path, [scene], settings="path: images\ntrain: .\nnames: [a, b, c]\n")
    rows, _ = rows_of(objects(tmp_path / "data.yaml"))
    assert [row["object_id"] for row in rows] == [0, 1]


@pytest.mark.parametrize("text", ["date: 2024-31-12\n", "a: " + "[" * 5000])
def test_settings_that_yaml_stumbles_over_are_one_line(tmp_path: Path, text: str) -> None:
    """Whatever its reader raises."""
    (scene,) = make_scenes(tmp_path, (1,))
    write_yolo(tmp_path, [scene], settings=text)
    with pytest.raises(DataError, match="settings of a YOLO data set: expected YAML in UTF-8"):
        objects(tmp_path)
