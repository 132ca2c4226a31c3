"""Values that encoded rows of attributes say: which are known, what they are, and rows that tell fewer of them."""

from __future__ import annotations

import numpy as np

from artifact.arrays import Flags, Indices, Numbers, Vectors
from artifact.attributes import CATEGORY, FLAG, Attributes


def is_known(rows: Vectors, attributes: Attributes) -> Flags:
    """bool [N, attributes]: which have a value in each row."""
    found: Flags = np.stack([(rows[:, columns] != 0).any(axis=1) for columns in attributes.slices.values()], axis=1)
    return found


def values_of(rows: Vectors, attributes: Attributes) -> Numbers:
    """What encoded rows say, float32 [N, A] -> float64 [N, attributes]: see analysis/measures/attribute_rows.py.

    A number is in standard deviations.
    """
    known = is_known(rows, attributes)
    values = np.full(known.shape, np.nan)
    for place, (attribute, columns) in enumerate(zip(attributes.attributes, attributes.slices.values(), strict=True)):
        found = rows[:, columns]
        if attribute.type == CATEGORY:
            own = found.argmax(axis=1).astype(np.float64)
        else:
            own = (found[:, 0] > 0).astype(np.float64) if attribute.type == FLAG else found[:, 0].astype(np.float64)
        values[:, place] = np.where(known[:, place], own, np.nan)
    return values


def with_few(rows: Vectors, attributes: Attributes, numbers: Indices, *, random: np.random.Generator) -> Vectors:
    """The rows with so many of their known attributes each, int64 [N], and the others missing: float32 [N, A].

    Which are left is drawn; at least one is where one is known.
    """
    known = is_known(rows, attributes)
    order = np.where(known, random.random(known.shape), np.inf).argsort(axis=1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(known.shape[1])[None], axis=1)
    told = place < np.maximum(numbers, 1)[:, None]
    widths = [each.width for each in attributes.attributes]
    return np.where(np.repeat(told, widths, axis=1), rows, np.float32(0))
