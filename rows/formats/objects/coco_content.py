"""What is kept of a COCO file: numbers of its annotations and their places in it, names of images and categories."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.arrays import Indices
from artifact.errors import DataError, bounded
from rows.formats.objects.json_elements import array_elements
from rows.location import Location, opened

_IMAGES, _ANNOTATIONS, _CATEGORIES = "images", "annotations", "categories"


@dataclass(frozen=True, eq=False)
class CocoContent:
    """What is kept of a file.

    Attributes:
        names, sizes: of each image: its file name, and int32 [images, 2] width and height, 0 where they are not said.
        categories: id -> name.
        image: int64 [objects], which image; -1: none, and `image_id` says which was meant.
        number: int64 [objects], of an object among those of its image's name, from 0: ids are made of both.
        object_id: of each object: int64, or where one of them is a text str, all of them.
        category: id of each object.
        box: float64 [objects, 4], corners in pixels; NaN where there is none.
        area: float64 [objects]; NaN where it is not said.
        is_crowd: bool [objects].
        place: int64 [objects, 2], first byte and size of the annotation in the file.
        image_id: of objects of no image.
    """

    names: list[str]
    sizes: npt.NDArray[np.int32]
    categories: dict[Any, str]
    image: Indices
    number: Indices
    object_id: npt.NDArray[Any]
    category: list[Any]
    box: npt.NDArray[np.float64]
    area: npt.NDArray[np.float64]
    is_crowd: npt.NDArray[np.bool_]
    place: Indices
    image_id: dict[int, Any]


def read_content(path: Location) -> CocoContent:
    """Read a file once; raises DataError where it is none, or damaged, with the place."""
    names: list[str] = []
    sizes: list[tuple[int, int]] = []
    numbers: dict[Any, int] = {}
    categories: dict[Any, str] = {}
    of: list[Any] = []
    category: list[Any] = []
    ids, numeric, places = array("q"), array("d"), array("q")
    text_ids: dict[int, str] = {}
    known: dict[Any, Any] = {}  # an id that stands in many annotations is one object, not as many
    seen: set[str] = set()
    with opened(path) as file:
        for key, value, start, size in array_elements(file, where=path.name):
            seen.add(key)
            if key not in (_IMAGES, _ANNOTATIONS, _CATEGORIES):
                continue
            if not isinstance(value, dict):
                raise _misfit(f"{key}, byte {start}", "an object", type(value).__name__, path)
            if key == _IMAGES:
                name, own = value.get("file_name"), _key(value.get("id"))
                if not isinstance(name, str) or not _is_file_name(name) or own is None:
                    raise _misfit(f"image, byte {start}", "id and file_name", bounded(repr(value), 100), path)
                if numbers.setdefault(own, len(names)) != len(names):
                    raise _misfit(f"image, byte {start}", "an id of its own", f"a second {own!r}", path)
                names.append(name)
                sizes.append((_side(value.get("width")), _side(value.get("height"))))
            elif key == _CATEGORIES:
                if (own := _key(value.get("id"))) is not None:
                    categories[own] = _printable(str(value.get("name", own)))
            else:
                whose, kind, own = (_key(value.get(each)) for each in ("image_id", "category_id", "id"))
                whose = repr(value.get("image_id")) if whose is None else whose
                of.append(known.setdefault(whose, whose))
                category.append(None if kind is None else known.setdefault(kind, kind))
                if isinstance(own, str):
                    text_ids[len(ids)] = _printable(own)
                ids.append(own if isinstance(own, int) and abs(own) < 2**63 else len(ids))
                is_crowd = float(value.get("iscrowd") == 1)
                numeric.extend((*_corners(value.get("bbox")), _number(value.get("area")), is_crowd))
                places.extend((start, size))
    if not names:
        raise _misfit(
            "table of objects",
            "a COCO file with images and annotations",
            f"arrays {', '.join(sorted(seen))}" if seen else "none",
            path,
        )
    image = np.array([numbers.get(each, -1) for each in of], np.int64)
    order = np.argsort(np.where(image < 0, len(names), image), kind="stable")
    image = image[order]
    values = np.array(numeric, np.float64).reshape(-1, 6)[order]
    return CocoContent(
        names=names,
        sizes=np.array(sizes, np.int32).reshape(-1, 2),
        categories=categories,
        image=image,
        number=_counted(image, names),
        object_id=_object_ids(ids, text_ids)[order],
        category=[category[row] for row in order.tolist()],
        box=values[:, :4],
        area=values[:, 4],
        is_crowd=values[:, 5] == 1,
        place=np.array(places, np.int64).reshape(-1, 2)[order],
        image_id={row: of[order[row]] for row in np.flatnonzero(image < 0).tolist()},
    )


def _counted(image: Indices, names: Sequence[str]) -> Indices:
    """int64 [objects]: how many of the objects before have an image of that name; images may share one."""
    first: dict[str, int] = {}
    named = np.array([first.setdefault(name, number) for number, name in enumerate(names)], np.int64)
    of_name = np.where(image < 0, -1, named[image])
    order = np.argsort(of_name, kind="stable")
    starts = np.flatnonzero(np.diff(of_name[order], prepend=-2))
    number = np.empty(len(image), np.int64)
    number[order] = np.arange(len(image)) - np.repeat(starts, np.diff([*starts, len(image)]))
    return number


def _misfit(what: str, expected: str, got: str, path: Location) -> DataError:
    return DataError(what, expected=expected, got=got, where=path.name)


def _object_ids(ids: Sequence[int], texts: dict[int, str]) -> npt.NDArray[Any]:
    if not texts:
        return np.array(ids, np.int64)
    return np.array([texts.get(place, str(number)) for place, number in enumerate(ids)], object)


def _key(value: Any) -> int | str | None:
    """An id; None for what is none. A table with gaps makes 3 a 3.0, which is 3 still."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (int, str)) else None


def _is_file_name(name: str) -> bool:
    """Whether a file may be called so; one that is not UTF-8 stands in JSON with halves of surrogate pairs."""
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:
        return False


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _side(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value < 2**31 else 0


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:
        return math.nan


def _corners(box: Any) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 of a COCO bbox; NaN where it is none."""
    if not isinstance(box, Sequence) or isinstance(box, str) or len(box) != 4:
        return (math.nan,) * 4
    x, y, width, height = map(_number, box)
    return x, y, x + width, y + height
