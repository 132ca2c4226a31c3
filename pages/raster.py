"""Very many points as a picture: their colours mixed where they overlap, denser where there are more.

Decision a reader would question: points are not drawn one over the other. Each adds its colour, weighted by how much of
a pixel it covers, and a pixel shows the mean of what it got, the more opaque the more it got. So no class hides another
because it came last, equal points give equal bytes in whatever order, and a million points take seconds in NumPy.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from artifact.arrays import AnyArray, Numbers
from pages.colouring import Colouring
from pages.palette import ABSENT, MORE, rgb

Painted = npt.NDArray[np.uint8]
"""uint8 [height, width, 4]: red, green, blue, opacity; not multiplied."""

_VALUES_AT_ONCE = 1 << 22


def paint(
    where: AnyArray,
    colouring: Colouring,
    scheme: dict[str, str],
    *,
    width: int,
    height: int,
    radius: float,
    before: AnyArray | None = None,
) -> Painted:
    """Points on transparent paper, greys below colours.

    Args:
        where: float64 [N, 2], in pixels from the left and from the top.
        colouring: of N points.
        scheme: {name of a colour: "#rrggbb"}, see pages/palette.py.
        radius: of a point, in pixels.
        before: float64 [M, 2], further points in grey below all.
    """
    colours = np.array([rgb(scheme[name]) for name in colouring.colours], np.float64)
    greys = [code for code, name in enumerate(colouring.colours) if name in (ABSENT, MORE)]
    is_grey = np.isin(colouring.codes, greys)
    painted = np.zeros((height * width, 4))
    if before is not None and len(before):
        shown = np.broadcast_to(np.array(rgb(scheme[ABSENT]), np.float64), (len(before), 3))
        _add_layer(painted, before, shown, width=width, height=height, radius=0.7 * radius)
    for rows in (is_grey, ~is_grey):
        if rows.any():
            _add_layer(painted, where[rows], colours[colouring.codes[rows]], width=width, height=height, radius=radius)
    painted[:, 3] *= 255
    return painted.round().astype(np.uint8).reshape(height, width, 4)


def png(painted: Painted) -> bytes:
    """The picture as a file, in 32 steps of each colour and 16 of opacity: half the bytes, and nobody sees it."""
    from PIL import Image

    steps = np.array([8, 8, 8, 16])
    rounded = np.minimum((painted + steps // 2) // steps * steps, 255)
    rounded[painted[..., 3] > 240, 3] = 255
    rounded[rounded[..., 3] == 0] = 0
    buffer = io.BytesIO()
    Image.fromarray(rounded.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _add_layer(painted: Numbers, where: AnyArray, colours: Numbers, *, width: int, height: int, radius: float) -> None:
    """Lay points over what is there: float64 [height x width, 4], colours 0 to 255 and opacity 0 to 1."""
    reach = int(np.ceil(radius + 0.5))
    wide, high = width + 2 * reach + 2, height + 2 * reach + 2  # so that no point reaches beyond
    steps = np.arange(-reach, reach + 1)
    down, across = (each.reshape(-1) for each in np.meshgrid(steps, steps, indexing="ij"))
    sums = np.zeros((4, wide * high))
    for first in range(0, len(where), max(1, _VALUES_AT_ONCE // len(down))):
        part = slice(first, first + max(1, _VALUES_AT_ONCE // len(down)))
        x, y = np.clip(where[part, :1], 0, width), np.clip(where[part, 1:], 0, height)
        column, row = np.floor(x).astype(np.int64) + across, np.floor(y).astype(np.int64) + down
        cover = np.clip(radius + 0.5 - np.hypot(column + 0.5 - x, row + 0.5 - y), 0.0, 1.0)
        cell = ((row + reach) * wide + column + reach).reshape(-1)
        sums[3] += np.bincount(cell, cover.reshape(-1), wide * high)
        for channel in range(3):
            sums[channel] += np.bincount(cell, (cover * colours[part, channel, None]).reshape(-1), wide * high)
    inside = sums.reshape(4, high, wide)[:, reach : reach + height, reach : reach + width].reshape(4, -1)
    cells = np.flatnonzero(inside[3])
    covered = inside[3, cells]
    above = 1.0 - (1.0 - opacity(len(where))) ** covered
    below = painted[cells, 3] * (1.0 - above)
    painted[cells, :3] *= below[:, None]
    painted[cells, :3] += (inside[:3, cells] / covered * above).T
    painted[cells, 3] = above + below
    painted[cells, :3] /= painted[cells, 3, None]


def opacity(num_points: int) -> float:
    """Of one point: less the more there are."""
    return float(np.clip(0.8 * (2000 / max(num_points, 1)) ** 0.2, 0.3, 0.8))
