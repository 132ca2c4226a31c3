"""COCO annotations (`instances_*.json`) as a table: a row for each object, or for each image.

    of objects   id (image path # number of the object in its image), image, object_id (the annotation's id), label (the
                 category's name), box (x1, y1, x2, y2 in pixels), and for who asks area, iscrowd, segmentation, width
                 and height of the image, and fault: why there is no box
    of images    image, width, height

Decisions a reader would question:
- The file is read once, element by element (json_elements.py); of each annotation some sixty bytes are kept, and where
  it stands. Its polygons and run lengths, by far the most of the file, are read again when its rows are.
- Objects are sorted by their image, so that those of one picture stand together and it is decoded once for them.
- An annotation that makes no sense is a row that says so, never the end of the table. A crowd is an object like others:
  `iscrowd` can be copied, and its rows left out where they are not wanted.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import Indices
from artifact.errors import DataError, bounded
from rows.box_columns import BOX, BOX_TYPE, OBJECT_ID, BoxColumns
from rows.cells import image_of_cell, image_refs
from rows.formats.objects.coco_content import read_content
from rows.formats.reading import COCO, Reading
from rows.formats.source import LABEL, Source, files_fingerprint, picked, rechunk
from rows.images import ImageRef
from rows.location import Location, locate, opened, readable_name

_OBJECTS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "image": pa.string(),
    OBJECT_ID: pa.int64(),
    LABEL: pa.string(),
    BOX: BOX_TYPE,
    "area": pa.float64(),
    "iscrowd": pa.bool_(),
    "segmentation": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "fault": pa.string(),
}
_PICTURES: dict[str, pa.DataType] = {"image": pa.string(), "width": pa.int32(), "height": pa.int32()}
_LOOKED_FOR = 20
"""Images that are looked for in a folder, to see whether it is theirs."""
_BESIDE = ("", "images", "../images", "..")


class CocoSource(Source):
    """A COCO file.

    Args:
        like: the schema, where an earlier file of the table has told it.
    """

    boxes = BoxColumns(columns=(BOX,), mask="segmentation", fault="fault", size=("width", "height"))

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        del like  # it is the same for all
        self.path = path
        self.files = (path,)
        self._reading = Reading()
        self._content = read_content(path)
        self.schema = self._schema()
        self._folder = path.parent
        self._find_images(None)

    def seen_as(self, reading: Reading) -> CocoSource:
        self._reading = reading
        self.schema = self._schema()
        self._find_images(reading.images)
        return self

    def _schema(self) -> pa.Schema:
        """Names of files that are not UTF-8 are bytes, and object ids text where one of them is."""
        content, fields = self._content, _OBJECTS if self._reading.objects else _PICTURES
        if not all(map(_is_utf8, content.names)):
            fields = {"id": pa.string(), **fields, "image": pa.binary()}
        if self._reading.objects and content.object_id.dtype == object:
            fields = {**fields, OBJECT_ID: pa.string()}
        return pa.schema(fields)

    @property
    def notes(self) -> list[str]:
        content = self._content
        found = [] if self._has_images else [f"{self.path.name}: none of its images is in {self._folder}"]
        if not self._reading.objects:
            return found
        without = len(content.names) - len(np.unique(content.image[content.image >= 0]))
        return found + (
            [f"{self.path.name}: {without:,} of {len(content.names):,} images have no object"] * (without > 0)
        )

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return len(self._content.image) if self._reading.objects else len(self._content.names)

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        """Over the file and the folder of its images: the same names in another folder are other pictures."""
        return hashlib.sha256((files_fingerprint(self.files) + self.variant).encode()).hexdigest()

    @property
    def variant(self) -> str:
        return f"{COCO} {self._reading.objects} {self._folder_from_file}"

    @property
    def _folder_from_file(self) -> str:
        """Where the images are, the same from whatever working directory the file is named."""
        folder, home = self._folder, self.path.parent
        if isinstance(folder, Path) and isinstance(home, Path):
            return os.path.relpath(folder.resolve(), home.resolve())
        return str(folder)

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        schema, end = picked(self.schema, columns), self.count_rows(columns) or 0
        for first in range(start_row, end, max_rows):
            rows = np.arange(first, min(first + max_rows, end))
            cells = {name: self._cells(name, rows) for name in columns}
            table = pa.table([pa.array(cells[field.name], field.type) for field in schema], schema=schema)
            yield from rechunk([table], max_rows, max_bytes)

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        if pa.types.is_binary(table.schema.field(column).type):
            names = table[column].to_pylist()
            return [image_of_cell(name and os.fsdecode(name), self._folder) for name in names]
        return image_refs(table[column], self._folder)

    def _cells(self, name: str, rows: Indices) -> Any:
        content = self._content
        if not self._reading.objects:
            if name in ("width", "height"):
                return self._sizes(name, rows)
            return self._names(rows) if name == "image" else [readable_name(content.names[row]) for row in rows]
        image = content.image[rows]
        if name == "id":
            return [self._id(row) for row in rows.tolist()]
        if name == "image":
            return self._names(image)
        if name == LABEL:
            return [content.categories.get(content.category[row]) for row in rows.tolist()]
        if name == BOX:
            return content.box[rows].tolist()
        if name in ("width", "height"):
            return self._sizes(name, image)
        if name == "segmentation":
            return self._segmentations(rows)
        if name == "fault":
            return [self._fault(row) for row in rows.tolist()]
        if name == "area":
            return [None if math.isnan(area) else area for area in content.area[rows].tolist()]
        return (content.object_id if name == OBJECT_ID else content.is_crowd)[rows]

    def _names(self, images: Indices) -> list[str | bytes | None]:
        is_bytes = pa.types.is_binary(self.schema.field("image").type)
        names = [self._content.names[each] if each >= 0 else None for each in images.tolist()]
        return [os.fsencode(name) if is_bytes and name is not None else name for name in names]

    def _sizes(self, name: str, images: Indices) -> list[int | None]:
        sides = self._content.sizes[:, 0 if name == "width" else 1]
        return [int(sides[each]) or None if each >= 0 else None for each in images.tolist()]

    def _id(self, row: int) -> str:
        content = self._content
        image = int(content.image[row])
        name = readable_name(content.names[image]) if image >= 0 else f"image_id {content.image_id[row]}"
        return f"{name}#{content.number[row]}"

    def _fault(self, row: int) -> str | None:
        content = self._content
        if content.image[row] < 0:
            return (
                f"its image_id {bounded(repr(content.image_id[row]), 60)} is not among the images of {self.path.name}"
            )
        if np.isnan(content.box[row]).all():
            return "no bbox of four numbers"
        return "an object of area 0" if content.area[row] == 0 else None

    def _segmentations(self, rows: Indices) -> list[str | None]:
        """The masks as they stand in the file, which is read for them."""
        found: list[str | None] = []
        with opened(self.path) as file:
            for start, size in self._content.place[rows].tolist():
                file.seek(start)
                try:
                    mask = json.loads(file.read(size)).get("segmentation")
                except (ValueError, AttributeError):
                    raise DataError(
                        "annotations", expected="the file as it was when it was opened", got="another", where=self.path
                    ) from None
                found.append(json.dumps(mask) if mask else None)
        return found

    def _find_images(self, named: str | None) -> None:
        """The folder of the images: the one that is named, else the one beside the file where most of them are."""
        names = self._content.names
        some = [
            names[row] for row in np.unique(np.linspace(0, len(names) - 1, min(_LOOKED_FOR, len(names))).astype(int))
        ]
        home = self.path.parent
        if named is not None:
            places = [locate(named)]
            if isinstance(places[0], Path) and not places[0].is_dir():
                raise DataError("folder of the images", expected="a folder", got="none", where=places[0])
        elif isinstance(home, Path):
            subset = self.path.stem.rpartition("_")[2]  # instances_train2017.json
            also = (f"../{subset}", f"../images/{subset}", subset, f"images/{subset}")
            places = [home / each for each in (*_BESIDE, *also)]
        else:
            places = [home, home / "images"]
        counts = [sum(_is_there(place / name) for name in some) for place in places]
        self._folder = _plain(places[int(np.argmax(counts))])
        self._has_images = max(counts) > 0


def _is_utf8(name: str) -> bool:
    return name.encode("utf-8", "ignore").decode() == name  # halves of surrogate pairs are ignored


def _plain(folder: Location) -> Location:
    """Without the `..` of a place beside, so that messages name it as a user would."""
    return folder.resolve() if isinstance(folder, Path) and ".." in folder.parts else folder


def _is_there(place: Location) -> bool:
    try:
        return place.is_file()
    except (OSError, ValueError):
        return False
