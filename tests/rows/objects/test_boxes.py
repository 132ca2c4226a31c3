"""Columns of boxes in any table: their names, their writing, their units, and cells that are none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, UsageError
from artifact.images.decoding import decode_image
from rows.regions import RegionOptions
from rows.tables import open_table
from tests.rows.objects.test_coco import reason_of, rows_of
from tests.shared.object_tables import CLASSES, make_scenes, write_boxes


def table_of(folder: Path, **columns: Any) -> Path:
    """A Parquet table of one picture, 000.png, with these columns."""
    rows = len(next(iter(columns.values())))
    parquet.write_table(pa.table({"image": ["images/000.png"] * rows, **columns}), folder / "t.parquet")
    return folder / "t.parquet"


def test_rows_of_a_csv_are_its_boxes(tmp_path: Path) -> None:
    """Columns found by their names; the id is the path with the row's number: nothing else tells objects apart."""
    scenes = make_scenes(tmp_path)
    rows, refs = rows_of(open_table(write_boxes(tmp_path / "t.csv", scenes), regions=RegionOptions()))
    names = [(scene.name, CLASSES[kind]) for scene in scenes for kind, _ in scene.objects]
    assert [(row["id"], row["object_id"], row["label"]) for row in rows] == [
        (f"images/{name}#{row}", row, label) for row, (name, label) in enumerate(names)
    ]
    crops = [crop for scene in scenes for crop in scene.crops()]
    assert all(np.array_equal(decode_image(ref.read()), crop) for ref, crop in zip(refs, crops, strict=True))


def test_rows_without_regions_stay_what_they_are(tmp_path: Path) -> None:
    """A table that happens to have such columns is read as ever."""
    file = write_boxes(tmp_path / "t.csv", make_scenes(tmp_path))
    table = open_table(file)
    assert table.copied_schema.names == ["id", "label"]
    assert [row["id"] for row in rows_of(table)[0]][:2] == ["images/000.png"] * 2
    assert table.read_as == {}


BOX = (4, 6, 20, 18)


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"x": [4], "y": [6], "width": [16], "height": [12]}, {}),
        ({"x": [4.0], "y": [6.0], "w": [16.0], "h": [12.0]}, {}),
        ({"x1": [4], "y1": [6], "x2": [20], "y2": [18]}, {}),
        ({"xmin": [4], "ymin": [6], "xmax": [20], "ymax": [18]}, {}),
        ({"left": [4], "top": [6], "right": [20], "bottom": [18]}, {}),
        ({"bbox": [[4, 6, 16, 12]]}, {}),
        ({"box": [[4.0, 6.0, 20.0, 18.0]]}, {}),
        ({"bbox": ["[4, 6, 16, 12]"]}, {}),
        ({"bbox": [[4, 6, 20, 18]]}, {"format": "xyxy"}),
        ({"a": ["4"], "b": ["6"], "c": ["16"], "d": ["12"]}, {"columns": ("a", "b", "c", "d")}),
        ({"a": [12], "b": [12], "c": [16], "d": [12]}, {"columns": ("a", "b", "c", "d"), "format": "cxcywh"}),
        ({"place": [[4, 6, 20, 18]]}, {"columns": ("place",), "format": "xyxy"}),
        ({"x": [4 / 40], "y": [6 / 30], "w": [16 / 40], "h": [12 / 30]}, {"unit": "share"}),
    ],
)
def test_box_is_the_same_however_it_is_written(tmp_path: Path, columns: dict[str, Any], options: Any) -> None:
    """Names, lists, texts, corners, middles and shares; and copied as corners."""
    (scene,) = make_scenes(tmp_path, (0,))
    from PIL import Image

    pixels = scene.pixels[:30, :40]
    Image.fromarray(pixels).save(tmp_path / "images" / "000.png")
    (row,), (ref,) = rows_of(open_table(table_of(tmp_path, **columns), regions=RegionOptions(**options)))
    assert np.array_equal(decode_image(ref.read()), pixels[6:18, 4:20])
    scale = (40, 30, 40, 30) if options.get("unit") == "share" else (1, 1, 1, 1)
    assert np.allclose(np.array(row["box"]) * scale, BOX)


def test_objects_that_have_ids_keep_them(tmp_path: Path) -> None:
    """A column `object_id` of numbers or texts; an own `id` column is the id."""
    make_scenes(tmp_path, (0,))
    boxes = {"bbox": [[1, 1, 9, 9], [2, 2, 8, 8], [3, 3, 9, 9]]}
    rows, _ = rows_of(open_table(table_of(tmp_path, object_id=["a", "b", None], **boxes), regions=RegionOptions()))
    assert [row["id"] for row in rows] == ["images/000.png#a", "images/000.png#b", "images/000.png#2"]
    rows, _ = rows_of(open_table(table_of(tmp_path, id=[7, 8, 9], **boxes), regions=RegionOptions()))
    assert [(row["id"], row["object_id"]) for row in rows] == [(7, 0), (8, 1), (9, 2)]


def test_object_ids_that_cannot_be_kept_are_refused(tmp_path: Path) -> None:
    """Numbers of rows in their place would pass for them."""
    make_scenes(tmp_path, (0,))
    with pytest.raises(DataError) as caught:
        open_table(table_of(tmp_path, object_id=[70.0], bbox=[[1, 1, 9, 9]]), regions=RegionOptions())
    assert str(caught.value) == (
        'column "object_id": expected whole numbers or texts, got double (t.parquet); write them as such, or name the '
        "column otherwise: rows are numbered then"
    )
    rows, _ = rows_of(open_table(table_of(tmp_path, object_id=[None], bbox=[[1, 1, 9, 9]]), regions=RegionOptions()))
    assert rows[0]["id"] == "images/000.png#0"


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (None, "no box"),
        ("", "no box"),
        ("[1, 2, 3]", "its box is [1, 2, 3], expected four numbers"),
        ("1 2 3 4", "its box is '1 2 3 4', expected four numbers in brackets"),
        ('{"x": 1}', "its box is {'x': 1}, expected four numbers"),
        ('["a", 2, 3, 4]', "its box has what is no number: ['a', 2, 3, 4]"),
        ("[NaN, NaN, NaN, NaN]", "no box"),
        ("[NaN, 1, 2, 3]", "a box with a number that is none: from nan, 1 to nan, 4 px"),
        ("[1, 1, 1e999, 3]", "a box with a number that is none: from 1, 1 to inf, 4 px"),
        ("[1, 2, 0, 3]", "a box without an area: from 1, 2 to 1, 5 px"),
        ("[1, 2, -1, 3]", "a box that ends before it begins: from 1, 2 to 0, 5 px"),
    ],
)
def test_cell_that_is_no_box_is_a_bad_row(tmp_path: Path, cell: str | None, reason: str) -> None:
    """It says why, and is copied as no numbers; the row beside it is cut out."""
    make_scenes(tmp_path, (0,))
    rows, refs = rows_of(open_table(table_of(tmp_path, bbox=[cell, "[1, 2, 9, 9]"]), regions=RegionOptions()))
    assert reason_of(refs[0]) == reason
    assert decode_image(refs[1].read()).shape == (9, 9, 3)
    assert rows[1]["box"] == [1, 2, 10, 11]
    assert len(rows[0]["box"]) == 4
    if reason.startswith(("no box", "its box")):
        assert all(map(math.isnan, rows[0]["box"]))


def test_row_without_an_image_says_so(tmp_path: Path) -> None:
    """Whatever its box."""
    parquet.write_table(pa.table({"image": [None, "gone.png"], "bbox": [[1, 1, 9, 9]] * 2}), tmp_path / "t.parquet")
    _, refs = rows_of(open_table(tmp_path / "t.parquet", regions=RegionOptions()))
    assert reason_of(refs[0]) == "no image: the cell is empty"
    assert reason_of(refs[1]).startswith("no such file: ")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {},
            DataError,
            "regions of a table: expected boxes: columns x, y, width and height, a list bbox, or a COCO or YOLO data "
            "set, got image, xx, y, w, h, text (t.parquet); name the columns with --boxes x,y,w,h, or leave out "
            "--regions",
        ),
        (
            {"columns": ("x", "y", "w", "h")},
            DataError,
            'column "x" of boxes: expected one of image, xx, y, w, h, text, got no such column, the nearest is "xx" '
            "(t.parquet); name the right ones with --boxes",
        ),
        (
            {"columns": ("h",)},
            DataError,
            'column "h" of boxes: expected lists of four numbers, got int64 (t.parquet)',
        ),
        (
            {"columns": ("xx", "y", "w", "image")},
            None,
            "its box has what is no number",
        ),
        ({"columns": ("a", "b")}, UsageError, "--boxes: expected four columns, or one of lists of four, got a,b"),
        ({"columns": ("a",) * 4}, UsageError, "--boxes: expected four columns, or one of lists of four, got a,a,a,a"),
        ({"format": "voc"}, UsageError, "--box-format: expected one of xywh, xyxy, cxcywh, got voc"),
        ({"unit": "cm"}, UsageError, "--box-unit: expected one of px, share, got cm"),
        ({"padding": -0.1}, UsageError, "--region-padding: expected a share from 0 to 1, got -0.1"),
        ({"padding": math.nan}, UsageError, "--region-padding: expected a share from 0 to 1, got nan"),
        ({"edge": "wrap"}, UsageError, "--region-edge: expected one of clip, fill, got wrap"),
        ({"background": "white"}, UsageError, "--region-background: expected one of fill, keep, got white"),
    ],
)
def test_options_that_fit_no_column_are_refused_in_one_line(
    tmp_path: Path, options: dict[str, Any], error: type[Exception] | None, message: str
) -> None:
    """With the nearest name; a column of texts may hold numbers, so there it is the rows that are bad."""
    make_scenes(tmp_path, (0,))
    file = table_of(tmp_path, xx=[1], y=[2], w=[9], h=[9], text=["a"])
    if error is None:
        assert reason_of(rows_of(open_table(file, regions=RegionOptions(**options)))[1][0]).startswith(message)
        return
    with pytest.raises(error) as caught:
        open_table(file, regions=RegionOptions(**options))
    assert str(caught.value) == message


def test_tables_that_cannot_be_of_regions_are_refused(tmp_path: Path) -> None:
    """Several streams, an image folder, and columns of a format that says so itself."""
    scenes = make_scenes(tmp_path, (1,))
    file = write_boxes(tmp_path / "t.csv", scenes)
    with pytest.raises(UsageError, match="regions: expected one image a row, got 2 streams: left, right"):
        open_table(
            file, streams=("left", "right"), columns={"left": "image", "right": "label"}, regions=RegionOptions()
        )
    with pytest.raises(DataError, match="regions of a table: expected boxes"):
        open_table(tmp_path / "images", regions=RegionOptions())


def test_padding_and_edges_are_those_of_the_options(tmp_path: Path) -> None:
    """A share of the larger side, left out or filled at the edge of the picture."""
    (scene,) = make_scenes(tmp_path, (0,))
    file = table_of(tmp_path, bbox=[[0, 10, 20, 8]])
    (clipped,) = rows_of(open_table(file, regions=RegionOptions(padding=0.25)))[1]
    assert np.array_equal(decode_image(clipped.read()), scene.pixels[5:23, 0:25])
    (filled,) = rows_of(open_table(file, regions=RegionOptions(padding=0.25, edge="fill", colour=(1, 2, 3))))[1]
    crop = decode_image(filled.read())
    assert crop.shape == (18, 30, 3)
    assert np.array_equal(crop[:, 5:], scene.pixels[5:23, 0:25])
    assert (crop[:, :5] == (1, 2, 3)).all()


def test_options_are_read_back_as_they_were_written() -> None:
    """As a job's manifest has them."""
    for options in (
        RegionOptions(),
        RegionOptions(columns=("a", "b", "c", "d"), format="xyxy", unit="share", padding=0.1, edge="fill"),
        RegionOptions(background="keep", colour=(9, 9, 9)),
    ):
        assert RegionOptions.from_dict(options.to_dict()) == options
    assert RegionOptions().to_dict() == {}
