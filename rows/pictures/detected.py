"""Parts of pictures that are the rows of a table of detections: each names its image and a box in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import Numbers
from artifact.images.region import SHARE, Region
from artifact.kinds import BRANCH_INPUT
from artifact.modes import DETECTIONS
from rows.box_columns import BOX
from rows.ids import id_as_text
from rows.images import ImageRef
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable


@dataclass(frozen=True, kw_only=True)
class DetectedPart:
    """One of them: the image, by its id as text, and x1, y1, x2, y2 as shares of it."""

    image_id: str
    box: tuple[float, float, float, float]

    @classmethod
    def of_row(cls, lineage: Lineage | None, row: Mapping[str, Any]) -> DetectedPart | None:
        """That of a row as {column: value}; None of any other than a detection with its columns."""
        if not part_columns(lineage, row) or row[BOX] is None:
            return None
        x1, y1, x2, y2 = map(float, row[BOX])
        return cls(image_id=id_as_text(row[BRANCH_INPUT]), box=(x1, y1, x2, y2))

    def of(self, image: ImageRef) -> ImageRef:
        """The part of its image; of an image that is itself a region of another, all of it."""
        if image.region is not None or image.is_empty:
            return image
        return replace(image, region=Region(box=self.box, unit=SHARE))


def part_columns(lineage: Lineage | None, columns: Iterable[str]) -> Sequence[str]:
    """The columns that say which part of which image each row is; none where they are not there, or no detections."""
    wanted = (BRANCH_INPUT, BOX)
    return wanted if lineage is not None and lineage.mode == DETECTIONS and set(wanted) <= set(columns) else ()


def detected_parts(lineage: Lineage | None, rows: pa.Table) -> Sequence[DetectedPart | None]:
    """That of each of some rows; none at all of any other than detections with their columns."""
    names = part_columns(lineage, rows.schema.names)
    return [DetectedPart.of_row(lineage, row) for row in rows.select(names).to_pylist()] if names else []


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
        if not part_columns(table.lineage, table.columns):
            return None
        boxes = np.array(table.column(BOX).to_pylist(), np.float64).reshape(-1, 4)
        return cls(image_ids=list(map(id_as_text, table.column(BRANCH_INPUT).to_pylist())), boxes=boxes)

    @classmethod
    def of_each(cls, parts: Sequence[DetectedPart]) -> DetectedParts:
        """Some of any table, in this order."""
        boxes = np.array([part.box for part in parts], np.float64).reshape(-1, 4)
        return cls(image_ids=[part.image_id for part in parts], boxes=boxes)

    def at(self, row: int) -> DetectedPart:
        """That of one row."""
        x1, y1, x2, y2 = self.boxes[row].tolist()
        return DetectedPart(image_id=self.image_ids[row], box=(x1, y1, x2, y2))

    def of_rows(self, rows: Sequence[int]) -> DetectedParts:
        """Those of some of the rows."""
        return DetectedParts(image_ids=[self.image_ids[row] for row in rows], boxes=self.boxes[list(rows)])

    def of_names(self, ids: Sequence[str], wanted: Iterable[str]) -> dict[str, DetectedPart]:
        """{id: part} of some of the rows, whose ids, as text, are these; of several rows of one id the first."""
        asked, found = set(wanted), dict[str, DetectedPart]()
        for row, name in enumerate(ids):
            if name in asked and name not in found:
                found[name] = self.at(row)
        return found

    def part(self, row: int, image: ImageRef) -> ImageRef:
        """The part of a row's image, as DetectedPart.of gives it."""
        return self.at(row).of(image)
