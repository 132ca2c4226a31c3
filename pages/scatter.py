"""Points in the plane with their colours: as circles that say what they are, or as a picture where there are many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from artifact.arrays import AnyArray
from pages.colouring import Colouring
from pages.palette import SCHEMES
from pages.pictures import data_url
from pages.plot import Axis, Plot, Point
from pages.raster import paint, png

MAX_CIRCLES = 10_000
"""Points that are circles; of more the drawing holds a picture for light paper and one for dark. A circle takes about
a hundred bytes, a picture half a megabyte, of a million points up to two."""

MARGIN = 8
"""Around the points, in the drawing."""
_PICTURE_SCALE = 1.5
"""Pixels of a picture for one of the drawing."""


def scatter_plot(
    places: AnyArray,
    colouring: Colouring,
    titles: Sequence[str] | None,
    *,
    title: str,
    before: AnyArray | None = None,
    is_equal: bool = False,
    has_words: bool = True,
    width: int = 640,
    height: int = 520,
    radius: float = 3.5,
) -> Plot:
    """Points with the names of their classes amid them.

    Args:
        places: float [N, 2].
        colouring: of N points.
        titles: [N], what a point says when it is pointed at; not needed for more than MAX_CIRCLES.
        title: of the drawing.
        before: float [M, 2], points below in grey, such as those of an old map.
        is_equal: one unit is as long across as upwards.
        has_words: whether the names of classes are written amid their points.
    """
    before = np.empty((0, 2)) if before is None else before
    x, y = axes(np.concatenate([places, before]), width=width, height=height, is_equal=is_equal)
    plot = Plot(x=x, y=y, title=title, width=width, height=height, frame=False)
    if len(places) + len(before) > MAX_CIRCLES:
        _picture(plot, places, before, colouring)
    else:
        assert titles is not None
        _circles(plot, before, ["on the map before"] * len(before), "point absent", radius=0.6 * radius)
        for code, colour in enumerate(colouring.colours):
            rows = np.flatnonzero(colouring.codes == code)
            _circles(plot, places[rows], [titles[row] for row in rows.tolist()], f"point {colour}", radius=radius)
    for code, word in colouring.words if has_words else ():
        middle = np.median(places[colouring.codes == code], axis=0)
        plot.word((float(middle[0]), float(middle[1])), word, shift=(0, 5))
    return plot


def axes(places: AnyArray, *, width: int, height: int, is_equal: bool, margin: int = MARGIN) -> tuple[Axis, Axis]:
    """Axes without ticks that hold all places; never of length 0."""
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    size = np.maximum(high - low, 1e-9 * np.maximum(1.0, np.abs(high)))
    if is_equal:
        inside = np.array([width - 2 * margin, height - 2 * margin])
        size = inside * float((size / inside).max())
        low = (low + high - size) / 2
    x, y = (
        Axis(low=float(start), high=float(start + length), ticks=()) for start, length in zip(low, size, strict=True)
    )
    return x, y


def pixels_of(places: AnyArray, x: Axis, y: Axis, *, width: float, height: float, margin: float) -> AnyArray:
    """float64 [N, 2], where places lie in a picture: pixels from its left and from its top."""
    wide = places.astype(np.float64)
    across = (wide[:, 0] - x.low) / (x.high - x.low) * (width - 2 * margin) + margin
    down = height - margin - (wide[:, 1] - y.low) / (y.high - y.low) * (height - 2 * margin)
    return np.column_stack([across, down])


def radius_px(num_points: int, scale: float) -> float:
    """Of points in a picture: smaller the more there are."""
    share = 2000 / max(num_points, 1)
    return scale * float(np.clip(3.5 * share**0.28, 0.6, 3.5))


def _circles(plot: Plot, places: AnyArray, titles: Sequence[str], colour: str, *, radius: float) -> None:
    points: list[Point] = [(float(a), float(b)) for a, b in places]
    plot.dots(points, colour, titles, radius=radius)


def _picture(plot: Plot, places: AnyArray, before: AnyArray, colouring: Colouring) -> None:
    wide, high = round(plot.width * _PICTURE_SCALE), round(plot.height * _PICTURE_SCALE)
    margin = MARGIN * _PICTURE_SCALE
    radius = radius_px(len(places), _PICTURE_SCALE)
    where, below = (
        pixels_of(each, plot.x, plot.y, width=wide, height=high, margin=margin) for each in (places, before)
    )
    for name, scheme in SCHEMES.items():
        painted = png(paint(where, colouring, scheme, width=wide, height=high, radius=radius, before=below))
        plot.parts.append(
            f'<image class="on-{name}" width="{plot.width}" height="{plot.height}" href="{data_url(painted, "png")}"/>'
        )
