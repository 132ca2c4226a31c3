"""Flipped rows: rows of attributes with some attributes changed, the hard ones to be told from an image's own.

A flag is turned over, a category becomes another one, and a number moves by one to two standard deviations, away from
its mean as often as towards it. What is missing stays so: nobody knows what its opposite would be.
"""

from __future__ import annotations

import numpy as np

from artifact.arrays import Indices, Vectors
from artifact.attributes import CATEGORY, FLAG, Attributes
from trainer.towers.values import is_known

_NEAREST, _FARTHEST = 1.0, 2.0
"""Standard deviations by which a number moves."""


def flipped(rows: Vectors, attributes: Attributes, *, count: int, random: np.random.Generator) -> Vectors:
    """The rows with `count` attributes each changed, or as many as are known.

    Args:
        rows: float32 [N, A], encoded.
        count: attributes to change in each, at least 1.
        random: decides which, and to what.

    Returns:
        float32 [N, A]; a row of which nothing is known, or nothing can be changed, is as it was.
    """
    changed = rows.copy()
    slices, known = list(attributes.slices.values()), is_known(rows, attributes)
    order = np.where(known, random.random(known.shape), np.inf).argsort(axis=1)[:, :count]
    chosen = np.zeros_like(known)
    np.put_along_axis(chosen, order, values=True, axis=1)
    chosen &= known
    for place, (attribute, columns) in enumerate(zip(attributes.attributes, slices, strict=True)):
        those = np.flatnonzero(chosen[:, place])
        if attribute.type == FLAG:
            changed[those, columns] *= -1
        elif attribute.type == CATEGORY:
            if attribute.width > 1:
                _change_categories(changed, those, columns, random)
        else:
            step = random.uniform(_NEAREST, _FARTHEST, len(those)) * random.choice([-1.0, 1.0], len(those))
            changed[those, columns.start] += step.astype(np.float32)
    return changed


def _change_categories(rows: Vectors, those: Indices, columns: slice, random: np.random.Generator) -> None:
    """Another category for each of those rows, every other one as likely."""
    width = columns.stop - columns.start
    own = rows[those, columns].argmax(axis=1)
    other = (own + random.integers(1, width, len(those))) % width
    rows[those, columns] = 0
    rows[those, columns.start + other] = 1
