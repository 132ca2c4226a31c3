"""Regions: crops against plain slices, and what is no box."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from artifact.images.mask import Mask
from artifact.images.preprocessing import Preprocessing, load_pixels, resize_pixels
from artifact.images.region import Region
from rows.images import ImageRef

RED = (200, 10, 20)


@pytest.fixture
def picture() -> np.ndarray:
    """uint8 [30, 40, 3], every pixel another."""
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ("region", "rows", "columns"),
    [
        (Region(box=(3, 4, 10, 20)), slice(4, 20), slice(3, 10)),
        (Region(box=(3.4, 4.6, 9.2, 19.1)), slice(4, 20), slice(3, 10)),
        (Region(box=(-5, -5, 12, 8)), slice(0, 8), slice(0, 12)),
        (Region(box=(30, 20, 1e300, 900)), slice(20, 30), slice(30, 40)),
        (Region(box=(0.1, 0.2, 0.7, 0.9), unit="share"), slice(6, 27), slice(4, 28)),
        (Region(box=(10, 10, 20, 14), padding=0.2), slice(8, 16), slice(8, 22)),
        (Region(box=(0, 0, 20, 10), padding=0.1), slice(0, 12), slice(0, 22)),
        (Region(box=(0, 0, 40, 30)), slice(0, 30), slice(0, 40)),
        (Region(box=(5.2, 5, 5.4, 9)), slice(5, 9), slice(5, 6)),
    ],
)
def test_crop_is_the_slice_of_every_pixel_that_the_box_touches(
    picture: np.ndarray, region: Region, rows: slice, columns: slice
) -> None:
    """Fractions, edges, shares and padding."""
    assert np.array_equal(region.crop(picture), picture[rows, columns])


def test_shares_are_those_of_the_padded_box_within_the_picture() -> None:
    """The same box in either unit; padding is a share of the larger side in pixels."""
    assert Region(box=(10, 10, 30, 14), padding=0.1).shares(40, 20) == pytest.approx((0.2, 0.4, 0.8, 0.8))
    assert Region(box=(0.25, 0.5, 0.75, 0.7), unit="share", padding=0.1).shares(40, 20) == pytest.approx(
        (0.2, 0.4, 0.8, 0.8)
    )
    assert Region(box=(-10, 5, 99, 50)).shares(40, 20) == (0, 0.25, 1, 1)


def test_what_lies_outside_the_mask_is_filled(picture: np.ndarray) -> None:
    """Inside the pixels stay; without a colour all of them do."""
    mask = Mask(polygons=((5.0, 5.0, 12.0, 5.0, 12.0, 9.0, 5.0, 9.0),))
    region = Region(box=(3, 4, 14, 12), mask=mask, outside=RED)
    expected = np.empty((8, 11, 3), np.uint8)
    expected[:] = RED
    expected[1:5, 2:9] = picture[5:9, 5:12]
    assert np.array_equal(region.crop(picture), expected)
    assert np.array_equal(replace(region, outside=None).crop(picture), picture[4:12, 3:14])


def test_what_lies_beyond_the_picture_is_filled_where_the_crop_reaches_out(picture: np.ndarray) -> None:
    """The box keeps its shape, and the picture its place in it."""
    crop = Region(box=(-4, 20, 6, 34), reaches_out=True, outside=RED).crop(picture)
    expected = np.empty((14, 10, 3), np.uint8)
    expected[:] = RED
    expected[:10, 4:] = picture[20:30, :6]
    assert np.array_equal(crop, expected)


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        (Region(), "no box"),
        (Region(box=(math.nan, 1, 2, 3)), "a box with a number that is none: from nan, 1 to 2, 3 px"),
        (Region(box=(0, 1, math.inf, 3)), "a box with a number that is none: from 0, 1 to inf, 3 px"),
        (Region(box=(5, 1, 5, 3)), "a box without an area: from 5, 1 to 5, 3 px"),
        (Region(box=(9, 1, 5, 3)), "a box that ends before it begins: from 9, 1 to 5, 3 px"),
        (Region(box=(40, 1, 50, 3)), "a box outside the picture of 40x30: from 40, 1 to 50, 3 px"),
        (Region(box=(1, -9, 5, 0)), "a box outside the picture of 40x30: from 1, -9 to 5, 0 px"),
        (Region(box=(3, 3, 4, 4)), "a box of a single pixel: from 3, 3 to 4, 4 px"),
        (
            Region(box=(0.1, 0.1, 0.9, 0.9)),
            "a box of a single pixel: from 0.1, 0.1 to 0.9, 0.9 px; these seem to be shares of the picture",
        ),
        (
            Region(box=(5, 6, 20, 25), unit="share"),
            "a box outside the picture of 40x30: from 5, 6 to 20, 25 as shares; these seem to be pixels",
        ),
        (Region(fault="area 0"), "area 0"),
        (
            Region(box=(1, 1, 5, 5), size=(640, 480)),
            "a box of a picture of 640x480, and this one is 40x30",
        ),
        (
            Region(box=(1, 1, 5, 5), size=(30, 40)),
            "a box of a picture of 30x40, and this one is 40x30 upright: it was turned since",
        ),
        (
            Region(box=(1, 1, 5, 5), mask=Mask(polygons=((9.0, 9.0, 12.0, 9.0, 12.0, 12.0),))),
            "a mask without a pixel in its box: from 1, 1 to 5, 5 px",
        ),
        (
            Region(box=(1, 1, 999, 5), reaches_out=True),
            "a box of more than four times the picture of 40x30: from 1, 1 to 999, 5 px",
        ),
        (
            Region(box=(-1e308, 1, 1e308, 5), reaches_out=True),
            "a box of more than four times the picture of 40x30: from -1e+308, 1 to 1e+308, 5 px",
        ),
        (
            Region(box=(-1e308, 0, 1e308, 1), unit="share", reaches_out=True),
            "a box of more than four times the picture of 40x30: from -1e+308, 0 to 1e+308, 1 as shares",
        ),
    ],
)
def test_what_is_no_box_says_why(picture: np.ndarray, region: Region, reason: str) -> None:
    """One line each, for the row."""
    with pytest.raises(ImageError) as caught:
        region.crop(picture)
    assert str(caught.value) == reason


def test_shares_refuse_what_a_crop_refuses() -> None:
    """So that both ways to a vector of a region have the same bad rows."""
    for region in (
        Region(),
        Region(box=(5, 1, 5, 3)),
        Region(box=(40, 1, 50, 3)),
        Region(box=(1, 1, 5, 5), size=(1, 2)),
        Region(box=(3, 3, 4, 4)),
        Region(box=(0.1, 0.1, 0.9, 0.9)),
    ):
        with pytest.raises(ImageError) as of_crop:
            region.crop(np.zeros((30, 40, 3), np.uint8))
        with pytest.raises(ImageError) as of_shares:
            region.shares(40, 30)
        assert str(of_shares.value) == str(of_crop.value)


def test_shares_keep_an_area_in_single_precision() -> None:
    """A box that is a line in FP32 would be answered with zeros."""
    with pytest.raises(ImageError, match="a box without an area in single precision: from 5, 5 to 5, 9 px"):
        Region(box=(5, 5, 5 + 1e-9, 9)).shares(40, 30)
    assert Region(box=(-1e308, -1e308, 1e308, 1e308)).shares(40, 30) == (0, 0, 1, 1)


def test_equal_regions_are_one_image_and_others_are_not() -> None:
    """Sets of refs hold each distinct crop once; the key follows."""
    base = Region(box=(1, 2, 3, 4))
    others = [
        replace(base, box=(1, 2, 3, 5)),
        replace(base, unit="share"),
        replace(base, padding=0.1),
        replace(base, outside=RED),
        replace(base, mask=Mask(counts="04", size=(2, 2))),
        replace(base, reaches_out=True),
        None,
    ]
    ref = ImageRef.of_name("a.png")
    refs = {replace(ref, region=region) for region in (base, Region(box=(1, 2, 3, 4)), *others)}
    assert len(refs) == len(others) + 1
    assert base.key == Region(box=(1, 2, 3, 4)).key
    assert len({base.key, *(region.key for region in others if region)}) == len(others)


def test_ref_of_a_region_reads_as_a_png_of_its_crop(picture: np.ndarray) -> None:
    """Whoever reads it without knowing of regions sees the object and nothing else; of files and of arrays."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    region = Region(box=(3, 4, 10, 20))
    for ref in (ImageRef(data=file.getvalue(), region=region), replace(ImageRef.of_pixels(picture), region=region)):
        assert np.array_equal(decode_image(ref.read()), picture[4:20, 3:10])
        assert ref.file is None
        assert ref.whole.region is None


def test_box_is_of_the_picture_upright(picture: np.ndarray) -> None:
    """A photograph held sideways is turned by its EXIF before the box is cut out."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise
    Image.fromarray(picture).save(file, "PNG", exif=exif)
    turned = np.rot90(picture, -1)
    ref = ImageRef(data=file.getvalue(), region=Region(box=(3, 4, 10, 38), size=(30, 40)))
    assert np.array_equal(ref.decode(file.getvalue()), turned[4:38, 3:10])


def test_crop_is_cut_out_before_it_is_made_smaller() -> None:
    """An object of a large JPEG keeps its own resolution: the same as a file of the crop alone."""
    fine = np.indices((1200, 1600)).sum(axis=0) % 2 * 255  # a chequerboard, grey once it is small
    large = np.repeat(fine.astype(np.uint8)[..., None], 3, axis=2)
    large[:600] = 0
    file = io.BytesIO()
    Image.fromarray(large).save(file, "JPEG", quality=95)
    ref = ImageRef(data=file.getvalue(), region=Region(box=(100, 584, 132, 616)))
    preprocessing = Preprocessing(height=32, width=32)
    crop = resize_pixels(ref.decode(file.getvalue()), preprocessing)
    assert np.array_equal(crop, decode_image(file.getvalue())[584:616, 100:132])
    assert np.array_equal(crop, load_pixels(ref.read(), preprocessing))
    assert crop[20:].std() > 60


def test_a_filled_crop_is_bounded_by_its_pixels() -> None:
    """A picture of a megapixel may be padded far; one that would take gigabytes is refused before they are taken."""
    small = np.zeros((1000, 1000, 3), np.uint8)
    region = Region(box=(0, 0, 1000, 1000), padding=1.0, reaches_out=True, outside=(0, 0, 0))
    assert region.crop(small).shape == (3000, 3000, 3)
    large = np.zeros((6000, 8000, 3), np.uint8)
    with pytest.raises(ImageError, match=r"^a box of 528,000,000 pixels beyond a picture of 8000x6000: from 0, 0 to"):
        Region(box=(0, 0, 8000, 6000), padding=1.0, reaches_out=True, outside=(0, 0, 0)).crop(large)
