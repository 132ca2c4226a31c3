"""Parts of pictures that are the rows of a table of detections: each names its image and a box in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from artifact.arrays import Numbers
from artifact.images.region import SHARE, Region
from artifact.kinds import BRANCH_INPUT
from artifact.modes import DETECTIONS
from rows.box_columns import BOX
from rows.ids import id_as_text
from rows.images import ImageRef
from rows.vectors.table import VectorTable


@dataclass(frozen=True, kw_only=True)
class DetectedParts:
    """The image of each row, and the part of it that the row is.

    Attributes:
        image_ids: [N], as text.
        boxes: float64 [N, 4], x1, y1, x2, y2 as shares of the image.
    """

    image_ids: Sequence[str]
    boxes: Numbers

    @classmethod
    def of(cls, table: VectorTable) -> DetectedParts | None:
        """Those of a table of vectors; None of any other than one of detections, with its columns."""
        lineage = table.lineage
        if lineage is None or lineage.mode != DETECTIONS or not {BRANCH_INPUT, BOX} <= set(table.columns):
            return None
        boxes = np.array(table.column(BOX).to_pylist(), np.float64).reshape(-1, 4)
        return cls(image_ids=list(map(id_as_text, table.column(BRANCH_INPUT).to_pylist())), boxes=boxes)

    def of_rows(self, rows: Sequence[int]) -> DetectedParts:
        """Those of some of the rows."""
        return DetectedParts(image_ids=[self.image_ids[row] for row in rows], boxes=self.boxes[list(rows)])

    def part(self, row: int, image: ImageRef) -> ImageRef:
        """The part of a row's image; of an image that is itself a region of another, all of it."""
        if image.region is not None or image.is_empty:
            return image
        x1, y1, x2, y2 = self.boxes[row].tolist()
        return replace(image, region=Region(box=(x1, y1, x2, y2), unit=SHARE))
