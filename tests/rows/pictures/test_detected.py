"""Pictures of detections: the part of its image that each row's box says, whoever asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from rows.pictures.joined import Pictures
from rows.pictures.opened import open_pictures
from rows.pictures.some_rows import thumbnails_of
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable
from tests.shared.pictures import noise, png

PX = 16
PIXELS = dict(zip(("a.png", "b.png", "c.png"), noise(3, PX), strict=True))
ROWS = [
    ("b.png#0", "b.png", [0.0, 0.0, 0.5, 1.0]),
    ("a.png#0", "a.png", [0.5, 0.25, 1.0, 0.75]),
    ("gone.png#0", "gone.png", [0.0, 0.0, 1.0, 1.0]),
    ("a.png#1", "a.png", [0.0, 0.0, 1.0, 1.0]),
]
HAVE_PICTURES = [0, 1, 3]


def table(mode: str = "detections") -> VectorTable:
    """Vectors of ROWS with the columns that scoring writes."""
    facts: dict[str, Any] = {"artifact": "spots", "version": 1, "digest": "d", "space": "s", "distance": "cosine"}
    columns = {name: [row[place] for row in ROWS] for place, name in enumerate(("id", "image", "box"))}
    lineage = Lineage(**facts, normalized=False, mode=mode)
    return VectorTable.from_arrays(np.ones((len(ROWS), 2), np.float32), columns, lineage=lineage)


def crop(row: int) -> npt.NDArray[np.uint8]:
    """Sliced out of the picture by hand."""
    _, name, box = ROWS[row]
    left, top, right, bottom = (round(PX * edge) for edge in box)
    return np.asarray(PIXELS[name][top:bottom, left:right], np.uint8)


@pytest.fixture(params=["folder", "csv"])
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Pictures:
    """Of a table that is entered at any row, and of one that is read from its start."""
    (tmp_path / "images").mkdir()
    for name, pixels in PIXELS.items():
        (tmp_path / "images" / name).write_bytes(png(pixels))
    (tmp_path / "t.csv").write_text("id,image\n" + "".join(f"{name},images/{name}\n" for name in PIXELS))
    opened = open_pictures(table(), tmp_path / ("images" if request.param == "folder" else "t.csv"))
    assert opened is not None
    return opened


def test_thumbnails_are_the_parts_in_the_boxes(pictures: Pictures) -> None:
    """Of every row, of some, and of one; each with the size of the part."""
    every = dict(pictures.thumbnails(PX))
    assert sorted(every) == HAVE_PICTURES
    for row, small in every.items():
        np.testing.assert_array_equal(small.pixels, crop(row))
        np.testing.assert_array_equal(pictures.thumbnail(row, PX).pixels, crop(row))
        np.testing.assert_array_equal(decode_image(pictures.read(row)), crop(row))
    some = dict(thumbnails_of(pictures, [3, 0, 2], PX))
    assert isinstance(some[2], str)
    for row in (0, 3):
        small_one = some[row]
        assert not isinstance(small_one, str)
        np.testing.assert_array_equal(small_one.pixels, crop(row))


def test_parts_of_one_image_are_no_copies_of_each_other(pictures: Pictures) -> None:
    """The hash is that of the part: exact duplicates are equal parts, and not parts of the same file."""
    hashes = pictures.hashes()
    assert hashes[2] is None
    assert len({hashes[row] for row in HAVE_PICTURES}) == 3


def test_a_row_whose_image_is_not_there_is_told_by_its_own_id(pictures: Pictures) -> None:
    """And asked for alone, it has none."""
    list(pictures.thumbnails(PX))
    assert [(bad.row, bad.id) for bad in pictures.bad] == [(2, "gone.png#0")]
    with pytest.raises(ImageError, match="not in"):
        pictures.image(2)


def test_columns_of_these_names_mean_nothing_in_other_tables(tmp_path: Path) -> None:
    """A branch's table that happens to have `image` and `box` is joined by its ids, as ever."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "b.png").write_bytes(png(PIXELS["b.png"]))
    (tmp_path / "t.csv").write_text("id,image\nb.png#0,images/b.png\n")
    opened = open_pictures(table("branch"), tmp_path / "t.csv")
    assert opened is not None
    ((row, small),) = opened.thumbnails(PX)
    assert row == 0
    np.testing.assert_array_equal(small.pixels, PIXELS["b.png"])
