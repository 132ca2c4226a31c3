"""Points as a picture: what a pixel shows, beside a plain loop over pixels and points."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pages.colouring import Colouring, by_class, plain
from pages.palette import LIGHT, rgb
from pages.raster import opacity, paint, png


def _loop(where: np.ndarray, colours: np.ndarray, width: int, height: int, radius: float) -> np.ndarray:
    """Mean colour and opacity of each pixel, by the definition."""
    painted = np.zeros((height, width, 4))
    for row in range(height):
        for column in range(width):
            apart = np.hypot(column + 0.5 - where[:, 0], row + 0.5 - where[:, 1])
            cover = np.clip(radius + 0.5 - apart, 0, 1)
            if cover.sum() > 0:
                painted[row, column, :3] = (cover[:, None] * colours).sum(axis=0) / cover.sum()
                painted[row, column, 3] = 255 * (1 - (1 - opacity(len(where))) ** cover.sum())
    return painted


def _points(count: int, size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, 2)) * size


def test_pixels_are_those_of_a_plain_loop() -> None:
    """Two classes that overlap, points at the edges too."""
    where = np.concatenate([_points(40, (30, 20)), [[0, 0], [30, 20], [30, 0]]])
    colouring = by_class([0, 1] * 20 + [0, 1, 0], ["a", "b"])
    colours = np.array([rgb(LIGHT[colouring.colours[code]]) for code in colouring.codes], float)
    painted = paint(where, colouring, LIGHT, width=30, height=20, radius=2.3)
    expected = _loop(where, colours, 30, 20, 2.3)
    np.testing.assert_allclose(painted, expected, atol=0.51)
    assert painted[..., 3].max() > 0


def test_the_order_of_points_changes_nothing() -> None:
    """No class hides another because it came last."""
    where, classes = _points(500, (40, 40)), np.random.default_rng(1).integers(0, 5, 500)
    order = np.random.default_rng(2).permutation(500)
    names = list("abcde")
    a = paint(where, by_class(classes, names), LIGHT, width=40, height=40, radius=1.5).astype(int)
    b = paint(where[order], by_class(classes[order], names), LIGHT, width=40, height=40, radius=1.5).astype(int)
    assert np.abs(a - b).max() <= 1  # a sum in another order


def test_greys_lie_below_colours() -> None:
    """Where a class and a point without a value meet, the class is seen; below them the points of an old map."""
    where = np.array([[5.0, 5.0]] * 2)
    colouring = Colouring(codes=np.array([0, 1], np.int16), colours=("absent", "c1"))
    painted = paint(where, colouring, LIGHT, width=10, height=10, radius=2, before=np.array([[5.0, 5.0], [2, 8]]))
    alone = paint(where[:1], plain(1), LIGHT, width=10, height=10, radius=2)
    assert np.abs(painted[4, 4, :3].astype(int) - alone[4, 4, :3]).max() < 60
    assert painted[8, 2, :3].tolist() == list(rgb(LIGHT["absent"]))


def test_points_of_several_chunks_are_all_drawn() -> None:
    """Each of the points that fewer show, and where they are thousands nothing shines through."""
    where = np.repeat(_points(50, (30, 30)), 8000, axis=0)
    painted = paint(where, plain(len(where)), LIGHT, width=30, height=30, radius=1)
    few = paint(where[::8000], plain(50), LIGHT, width=30, height=30, radius=1)
    assert ((painted[..., 3] > 0) >= (few[..., 3] > 0)).all()
    assert painted[..., 3].max() == 255


def test_a_png_holds_the_pixels() -> None:
    """Read back by Pillow: within half a step of each colour and of opacity; what is clear or whole is so."""
    painted = paint(_points(30, (20, 20)), plain(30), LIGHT, width=20, height=20, radius=2)
    read = np.asarray(Image.open(io.BytesIO(png(painted)))).astype(int)
    seen = read[..., 3] > 0
    assert np.abs(read - painted)[seen].max(axis=0).tolist() <= [7, 7, 7, 15]
    assert painted[~seen, 3].max() <= 8
    assert np.abs(read[..., 3] - painted[..., 3]).max() <= 14
