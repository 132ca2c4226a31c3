"""Objects of one detector among those that another finds in the same pictures, whatever their order."""

from __future__ import annotations

import numpy as np

from artifact.arrays import Indices, Numbers, Vectors

LEAST_OVERLAP = 0.5
"""Intersection over union of two boxes of one object."""


def found_again(boxes: Vectors, others: Vectors) -> Indices:
    """Where each object stands among the others of its picture: the one that overlaps it most.

    Args:
        boxes, others: float32 [N, R, 4] and [N, S, 4], x1, y1, x2, y2; NaN for none.

    Returns:
        int64 [N, R]: numbers below S; -1 for none, and for what no other overlaps by half.
    """
    overlaps = np.stack([_overlaps(*each) for each in zip(boxes, others, strict=True)])
    return np.where(overlaps.max(axis=2) >= LEAST_OVERLAP, overlaps.argmax(axis=2), -1)


def _overlaps(boxes: Vectors, others: Vectors) -> Numbers:
    """Intersection over union, float64 [R, S]; 0 for boxes of NaN."""
    one, other = boxes[:, None].astype(np.float64), others[None].astype(np.float64)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    inside = np.maximum(sides, 0).prod(axis=2)
    areas = (one[..., 2:] - one[..., :2]).prod(axis=2) + (other[..., 2:] - other[..., :2]).prod(axis=2)
    found: Numbers = np.nan_to_num(inside / (areas - inside))
    return found
