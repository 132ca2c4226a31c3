"""YOLO label files as a table: a row for each object, or for each image.

    of objects   id (image path # number of the object in its file), image, object_id (that number), label (the class),
                 box (x1, y1, x2, y2 as shares of the picture), and for who asks segmentation (of lines that are
                 polygons), confidence, split, and fault: why there is no box
    of images    image, split

A line is `class x y width height`, the middle first, with a confidence behind it or without, or `class x1 y1 x2 y2 x3
y3 ...`, a polygon whose bounds are the box.

Decisions a reader would question:
- An image without a label file has no object, as in training. A line that cannot be read is a row that says why.
- The files are read twice: counted when the table is opened, and again when their rows are. Nothing of them is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from artifact.arrays import Indices
from artifact.errors import DataError, bounded
from artifact.images.region import SHARE
from artifact.listing import listed
from rows.box_columns import BOX, OBJECT_ID, BoxColumns
from rows.formats.objects.yolo_folder import YoloFolder, open_yolo_folder
from rows.formats.reading import YOLO, Reading
from rows.formats.source import LABEL, Source, picked
from rows.images import ImageRef
from rows.location import Location, file_stamp, readable_name

_BOX_NUMBERS, _LEAST_POLYGON = 4, 6
_OBJECTS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "image": pa.binary(),
    OBJECT_ID: pa.int64(),
    LABEL: pa.string(),
    BOX: pa.list_(pa.float64(), 4),
    "segmentation": pa.string(),
    "confidence": pa.float64(),
    "split": pa.string(),
    "fault": pa.string(),
}
_PICTURES: dict[str, pa.DataType] = {"id": pa.string(), "image": pa.binary(), "split": pa.string()}


@dataclass(frozen=True, kw_only=True)
class YoloObject:
    """One line.

    Attributes:
        label: the class by name; None where it has none.
        box: corners as shares; NaN where there are none.
        polygon: x, y, x, y, ... as shares; None: the line is a box.
        confidence: of a prediction.
        fault: why it is none.
    """

    label: str | None = None
    box: tuple[float, float, float, float] = (math.nan,) * 4
    polygon: tuple[float, ...] | None = None
    confidence: float | None = None
    fault: str | None = None


class YoloSource(Source):
    """A YOLO data set; a folder or its data.yaml."""

    boxes = BoxColumns(columns=(BOX,), unit=SHARE, mask="segmentation", fault="fault")

    def __init__(self, place: Location, like: pa.Schema | None = None) -> None:
        del like
        self._found: YoloFolder = open_yolo_folder(place)
        self.files = () if self._found.settings is None else (self._found.settings,)
        self._is_of_objects = False
        self.schema = pa.schema(_PICTURES)

    def seen_as(self, reading: Reading) -> YoloSource:
        super().seen_as(reading)  # which refuses another folder of images
        self._is_of_objects = reading.objects
        self.schema = pa.schema(_OBJECTS if reading.objects else _PICTURES)
        return self

    @property
    def notes(self) -> list[str]:
        found = self._found
        notes = []
        if found.missing and found.settings is not None:
            notes.append(f"{found.settings.name} names images that are not there: {listed(found.missing)}")
        if self._is_of_objects and (without := int((self._counts == 0).sum())):
            notes.append(f"{without:,} of {len(found.names):,} images have no object")
        return notes

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return int(self._counts.sum()) if self._is_of_objects else len(self._found.names)

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        """Over the names of the images, and the size and time of each, of their labels and of the settings."""
        digest = hashlib.sha256(f"{YOLO} {self._is_of_objects}".encode())
        found = self._found
        for name in found.names:
            stamps = [file_stamp(found.root / name)] + ([file_stamp(found.labels_of(name))] * self._is_of_objects)
            digest.update(os.fsencode(name) + b"\0" + "\0".join(stamps).encode() + b"\0")
        digest.update(repr(found.classes).encode())
        return digest.hexdigest()

    @property
    def stamp_of_others(self) -> str:
        return self.fingerprint()

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        del max_bytes  # a line is short
        schema = picked(self.schema, columns)
        rows: list[dict[str, object]] = []
        for row in self._rows(start_row):
            rows.append(row)
            if len(rows) == max_rows:
                yield _table(rows, schema)
                rows = []
        if rows:
            yield _table(rows, schema)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        return [ImageRef(path=self._found.root / os.fsdecode(name or b"")) for name in table[column].to_pylist()]

    def _rows(self, start_row: int) -> Iterator[dict[str, object]]:
        found = self._found
        if not self._is_of_objects:
            for number in range(start_row, len(found.names)):
                name = found.names[number]
                yield {"id": readable_name(name), "image": os.fsencode(name), "split": found.splits[number]}
            return
        ends = np.cumsum(self._counts)
        for number in range(int(np.searchsorted(ends, start_row, side="right")), len(found.names)):
            lines = self._lines(number)
            if len(lines) != self._counts[number]:
                raise DataError(
                    "table that is being read",
                    expected="the labels as they were when it was opened",
                    got="another number of lines",
                    where=found.labels_of(found.names[number]),
                )
            skipped = max(0, start_row - int(ends[number] - len(lines)))
            name = found.names[number]
            for place, line in list(enumerate(lines))[skipped:]:
                each = line if isinstance(line, YoloObject) else parse_line(line, found.classes)
                yield {
                    "id": f"{readable_name(name)}#{place}",
                    "image": os.fsencode(name),
                    OBJECT_ID: place,
                    LABEL: each.label,
                    BOX: list(each.box),
                    "segmentation": None if each.polygon is None else json.dumps([each.polygon]),
                    "confidence": each.confidence,
                    "split": found.splits[number],
                    "fault": each.fault,
                }

    def _lines(self, number: int) -> list[str | YoloObject]:
        """The lines of an image's labels that are not blank; of a file that cannot be read one object that says so."""
        file = self._found.labels_of(self._found.names[number])
        try:
            text = file.read_text("utf-8-sig")
        except FileNotFoundError:
            return []
        except UnicodeDecodeError:
            return [YoloObject(fault=f"its labels are no text in UTF-8: {file.name}")]
        except OSError as error:
            return [YoloObject(fault=f"its labels cannot be read ({error.strerror or error}): {file.name}")]
        return [line for line in text.splitlines() if line.strip()]

    @cached_property
    def _counts(self) -> Indices:
        """int64 [images]: how many objects each has."""
        return np.array([len(self._lines(number)) for number in range(len(self._found.names))], np.int64)


def parse_line(line: str, classes: dict[int, str] | None) -> YoloObject:
    """The object of a line; one that cannot be read has a fault in the place of a box."""
    shown = bounded(line.strip(), 60)
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        return YoloObject(fault=f"a line with what is no number: {shown!r}")
    kind, numbers = values[0], values[1:]
    if not kind.is_integer() or kind < 0:
        return YoloObject(fault=f"a line that does not begin with the number of a class: {shown!r}")
    if classes is not None and int(kind) not in classes:
        return YoloObject(fault=f"class {int(kind)}, of which the settings know {len(classes)}: {shown!r}")
    label = str(int(kind)) if classes is None else classes[int(kind)]
    if len(numbers) in (_BOX_NUMBERS, _BOX_NUMBERS + 1):
        x, y, width, height = numbers[:_BOX_NUMBERS]
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return YoloObject(label=label, box=box, confidence=numbers[-1] if len(numbers) > _BOX_NUMBERS else None)
    if len(numbers) < _LEAST_POLYGON or len(numbers) % 2:
        wanted = "4 numbers behind the class, or pairs of a polygon"
        return YoloObject(label=label, fault=f"a line of {len(numbers)} numbers, expected {wanted}: {shown!r}")
    across, down = numbers[::2], numbers[1::2]
    if not all(map(math.isfinite, numbers)):
        return YoloObject(label=label, fault=f"a polygon with a number that is none: {shown!r}")
    return YoloObject(label=label, box=(min(across), min(down), max(across), max(down)), polygon=tuple(numbers))


def _table(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    return pa.table([pa.array([row[field.name] for row in rows], field.type) for field in schema], schema=schema)
