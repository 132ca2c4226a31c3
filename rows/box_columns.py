"""Boxes as columns of a table: where they stand, how they are written, and in which unit."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from artifact.images.region import PX

XYXY, XYWH, CXCYWH = "xyxy", "xywh", "cxcywh"
BOX_FORMATS = (XYWH, XYXY, CXCYWH)
"""Left, top, width, height; two corners; the middle, width, height."""

OBJECT_ID, BOX = "object_id", "box"
"""Columns of every table of objects."""
BOX_TYPE = pa.list_(pa.float64(), 4)
"""x1, y1, x2, y2."""


@dataclass(frozen=True, kw_only=True)
class BoxColumns:
    """Where the boxes of a table are.

    Attributes:
        columns: four of numbers, or one of lists of four.
        format: one of BOX_FORMATS.
        unit: `px`, or `share` of the picture.
        mask: the column of masks, each a text as COCO writes a segmentation; None: there are none.
        fault: the column that says why a row has no box; null where it has one.
        size: columns of the width and height of the picture that a box was drawn in.
    """

    columns: tuple[str, ...]
    format: str = XYXY
    unit: str = PX
    mask: str | None = None
    fault: str | None = None
    size: tuple[str, str] | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that is read for a region."""
        more = (self.mask, self.fault, *(self.size or ()))
        return (*self.columns, *(name for name in more if name is not None))


BOX_NAMES: dict[tuple[str, ...], str] = {
    ("x", "y", "width", "height"): XYWH,
    ("x", "y", "w", "h"): XYWH,
    ("x1", "y1", "x2", "y2"): XYXY,
    ("xmin", "ymin", "xmax", "ymax"): XYXY,
    ("left", "top", "right", "bottom"): XYXY,
    ("bbox",): XYWH,
    (BOX,): XYXY,
}
"""Columns that are boxes where nobody names others, tried in order -> how they are written."""
