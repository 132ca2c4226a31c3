"""A map of vectors as it is drawn: its points, colours and words, where each stands, and which pictures have room.

Decision a reader would question: one unit is as long across as upwards. On a map by neighbours, distances in both
directions mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from artifact.arrays import AnyArray, Indices
from artifact.images.decoding import Pixels
from pages.colouring import Colouring
from pages.mosaic import EDGE, SIDE, squares
from pages.palette import ABSENT
from pages.scatter import MARGIN, axes, pixels_of

WIDTH, HEIGHT = 900, 720
LEGEND, HEAD, AROUND = 230, 62, 16
"""Room for the legend on the right, for the lines above, and around."""

PNG_SCALE = 2
"""Pixels of a PNG for one of the drawing."""

PICTURE_PX = PNG_SCALE * (SIDE - 2 * EDGE)
"""Of a picture on a map: its longer side at most."""


@dataclass(frozen=True, kw_only=True)
class Map:
    """What is drawn.

    Attributes:
        places: float [N, 2], x and y.
        colouring: of N points.
        titles: [N], what a point says when it is pointed at; None where there are more than pages.scatter.MAX_CIRCLES.
        heading, about: the lines above.
        before: float [M, 2], the points of an old map that these were put on; or None.
        pictures: {row: uint8 [height, width, 3]} of rows of `picture_rows`; None for a map of points alone.
    """

    places: AnyArray
    colouring: Colouring
    titles: Sequence[str] | None
    heading: str
    about: str
    before: AnyArray | None = None
    pictures: Mapping[int, Pixels] | None = None

    @property
    def legend(self) -> list[tuple[str, str, str]]:
        """(colour, name, how many), with the points of the old map."""
        before = [(ABSENT, "on the map before", f"{len(self.before):,}")] if self.before is not None else []
        return [*self.colouring.legend, *before]

    @property
    def where(self) -> AnyArray:
        """float64 [N, 2], where each point is in the drawing, from its left and its top."""
        return self.inside(self.places)

    @property
    def shown(self) -> list[tuple[int, float, float]]:
        """(row, left, top of its square) of each row whose picture is drawn."""
        if self.pictures is None:
            return []
        rows, corners = squares(self.where)
        found = zip(rows.tolist(), corners.tolist(), strict=True)
        return [(row, left, top) for row, (left, top) in found if row in self.pictures]

    def colour_of(self, row: int) -> str:
        """The name of a point's colour."""
        return self.colouring.colours[int(self.colouring.codes[row])]

    def inside(self, places: AnyArray) -> AnyArray:
        """float64 [m, 2], where other places would be."""
        every = self.places if self.before is None else np.concatenate([self.places, self.before])
        x, y = axes(every, width=WIDTH, height=HEIGHT, is_equal=True)
        return pixels_of(places, x, y, width=WIDTH, height=HEIGHT, margin=MARGIN)


def picture_rows(drawn: Map) -> Indices:
    """int64 [P], the rows of a map that have room for their picture, of at most PICTURE_PX."""
    return squares(drawn.where)[0]
