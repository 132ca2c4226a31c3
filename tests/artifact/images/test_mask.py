"""Masks: polygons and run lengths, against plain loops over the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.images.image_error import ImageError
from artifact.images.mask import Inside, Mask, decode_runs, fill_polygon, unpack_runs
from tests.shared.run_lengths import packed_runs, plain_runs

SIZES = st.integers(1, 12)


def _plain_inside(corners: np.ndarray, width: int, height: int) -> Inside:
    """Pixel by pixel: an odd number of edges lies to the left of its middle."""
    found = np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            x, y = column + 0.5, row + 0.5
            for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
                if (y1 <= y < y2 or y2 <= y < y1) and x1 + (y - y1) * (x2 - x1) / (y2 - y1) <= x:
                    found[row, column] = not found[row, column]
    return found


@pytest.mark.parametrize("seed", range(20))
def test_polygon_is_what_a_loop_over_pixels_and_edges_gives(seed: int) -> None:
    """Random polygons, crossing themselves and reaching beyond the window."""
    random = np.random.default_rng(seed)
    corners = random.uniform(-5, 25, (int(random.integers(3, 9)), 2))
    assert np.array_equal(fill_polygon(corners, 19, 14), _plain_inside(corners, 19, 14))


def test_polygon_of_whole_pixels_has_exactly_those() -> None:
    """A rectangle from corner to corner takes its pixels and no others."""
    inside = fill_polygon(np.array([[2, 1], [7, 1], [7, 4], [2, 4]], float), 10, 6)
    expected = np.zeros((6, 10), bool)
    expected[1:4, 2:7] = True
    assert np.array_equal(inside, expected)


def test_window_of_a_mask_is_cut_from_the_whole() -> None:
    """Polygons are drawn for the window alone, and are the same there; run lengths too."""
    parts = ((1.2, 0.3, 9.5, 2.0, 4.0, 8.8), (6.0, 6.0, 11.5, 6.0, 11.5, 9.0, 6.0, 9.0))
    polygons = Mask(polygons=parts)
    whole = polygons.inside(12, 10)
    assert np.array_equal(polygons.inside(12, 10, (3, 2, 9, 8)), whole[2:8, 3:9])
    runs = Mask(counts=tuple(plain_runs(whole)), size=(10, 12))
    assert np.array_equal(runs.inside(12, 10, (3, 2, 9, 8)), whole[2:8, 3:9])


def test_parts_of_a_mask_are_joined() -> None:
    """Where two parts overlap is inside too."""
    one, two = (0.0, 0.0, 6.0, 0.0, 6.0, 6.0, 0.0, 6.0), (3.0, 3.0, 9.0, 3.0, 9.0, 9.0, 3.0, 9.0)
    both = Mask(polygons=(one, two)).inside(10, 10)
    assert np.array_equal(both, Mask(polygons=(one,)).inside(10, 10) | Mask(polygons=(two,)).inside(10, 10))
    assert both[4, 4]


def test_polygon_in_shares_is_that_in_pixels() -> None:
    """Width and height scale it."""
    pixels = Mask(polygons=((2.0, 1.0, 18.0, 1.0, 10.0, 9.0),)).inside(20, 10)
    shares = Mask(polygons=((0.1, 0.1, 0.9, 0.1, 0.5, 0.9),), in_shares=True).inside(20, 10)
    assert np.array_equal(pixels, shares)


@given(st.data(), SIZES, SIZES)
@settings(max_examples=60, deadline=None)
def test_run_lengths_give_the_mask_that_a_loop_wrote(data: st.DataObject, width: int, height: int) -> None:
    """As numbers, and packed into a text."""
    bits = data.draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height))
    inside = np.array(bits).reshape(height, width)
    runs = plain_runs(inside)
    assert np.array_equal(decode_runs(tuple(runs), width, height), inside)
    assert unpack_runs(packed_runs(runs)) == runs
    assert np.array_equal(decode_runs(packed_runs(runs), width, height), inside)


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ([0, 6, 1, 3], "061M"),
        ([0, 6, 1, 1], "061K"),
        ([0, 6, 1, 5], "061O"),
        ([0, 6, 1, 6], "0610"),
        ([0, 1, 1, 2, 1, 3, 1, 4, 1], "011101010"),
        ([0, 1024], "0PP1"),
    ],
)
def test_packed_runs_are_those_that_other_readers_know(runs: list[int], text: str) -> None:
    """Pairs from the tests of another program for the same format."""
    assert unpack_runs(text) == runs
    assert packed_runs(runs) == text


def test_runs_are_what_the_program_of_coco_makes_of_them() -> None:
    """Where it is installed: the same text, and the same pixels."""
    program = pytest.importorskip("pycocotools.mask")
    inside = np.random.default_rng(0).random((37, 23)) < 0.4
    packed = program.encode(np.asfortranarray(inside.astype(np.uint8)))["counts"].decode()
    assert packed_runs(plain_runs(inside)) == packed
    assert np.array_equal(decode_runs(packed, 23, 37), inside)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (Mask(counts=(3, 4), size=(2, 2)), "its mask has 7 pixels, and the picture 4"),
        (Mask(counts=(5, -1), size=(2, 2)), "its mask has a run of less than no pixels"),
        (Mask(counts=(4,), size=(1, 4)), "its mask is of a picture of 4x1, and this one is 2x2"),
        (Mask(counts="4 4", size=(2, 2)), "its mask is not a text of run lengths"),
        (Mask(counts="T", size=(2, 2)), "its mask is a text of run lengths that is cut short"),
        (Mask(counts="é4", size=(2, 2)), "its mask is not a text of run lengths"),
        (Mask(counts="o" * 40, size=(2, 2)), "its mask is not a text of run lengths"),
        (Mask(polygons=((1.0, 2.0, 3.0, 4.0),)), "its mask has a polygon of 4 numbers, expected pairs, three or more"),
        (Mask(polygons=((0.0,) * 7,)), "its mask has a polygon of 7 numbers, expected pairs, three or more"),
        (
            Mask(polygons=((0.0, 0.0, 1.0, 1.0, float("nan"), 2.0),)),
            "its mask has a polygon with a number that is of no",
        ),
        (Mask(polygons=((1e308, 0.5, -1e308, 5.0, 0.0, 3.0),)), "its mask has a polygon with a number that is of no"),
    ],
)
def test_mask_that_is_none_says_why(mask: Mask, reason: str) -> None:
    """One line each, for the row."""
    with pytest.raises(ImageError) as caught:
        mask.inside(2, 2)
    assert str(caught.value).startswith(reason)
