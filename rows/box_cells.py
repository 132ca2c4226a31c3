"""Cells that hold boxes and masks, as people write them; what is none becomes a reason, for its row."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from artifact.errors import bounded
from artifact.images.mask import Mask
from artifact.images.region import Box

_NONE = (math.nan,) * 4


def four_numbers(value: Any, row: int, faults: dict[int, str]) -> Box:
    """The four numbers of a cell that holds all of them."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except (ValueError, RecursionError):
            faults[row] = f"its box is {bounded(value, 60)!r}, expected four numbers in brackets"
            return _NONE
    if value is None:
        return _NONE
    if not isinstance(value, list) or len(value) != 4:
        faults[row] = f"its box is {bounded(repr(value), 60)}, expected four numbers"
        return _NONE
    return as_numbers(value, row, faults)


def as_numbers(values: Sequence[Any], row: int, faults: dict[int, str]) -> Box:
    try:
        x1, y1, x2, y2 = (math.nan if value is None or value == "" else float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        faults[row] = f"its box has what is no number: {bounded(repr(list(values)), 80)}"
        return _NONE
    return x1, y1, x2, y2


def mask_of(text: str, *, in_shares: bool = False) -> Mask | None:
    """The mask that a COCO segmentation means: a list of polygons, or run lengths; None of an empty one.

    Raises:
        ValueError: it is neither, in words.
    """
    fault = f"its segmentation is no list of polygons and no run lengths: {bounded(text, 60)!r}"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(fault) from None
    if not value:
        return None
    try:
        if isinstance(value, dict):
            height, width = map(int, value["size"])
            counts = value["counts"]
            return Mask(counts=counts if isinstance(counts, str) else tuple(map(int, counts)), size=(height, width))
        if not isinstance(value, list):
            raise ValueError(fault)
        parts = value if isinstance(value[0], list) else [value]
        polygons = tuple(tuple(map(float, part)) for part in parts if part)
        return Mask(polygons=polygons, in_shares=in_shares) if polygons else None
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(fault) from None
