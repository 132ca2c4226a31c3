"""Quadruplet loss: a triplet's hinge, and one more that holds two negatives of two classes apart."""

from __future__ import annotations

from artifact.losses.loss import OTHER_CLASS, QUARTET, Loss
from artifact.namespace import Array, Namespace


def quadruplet(
    xp: Namespace, positive: Array, negative: Array, negatives: Array, *, margin: float, margin2: float
) -> Array:
    """max(0, d_ap - d_an + a1) + max(0, d_ap - d_n1n2 + a2); classes of anchor, n1 and n2 all different.

    Args:
        positive, negative: float [...], distances of the anchor to its positive and its first negative.
        negatives: float [...], distance between the two negatives.
        margin, margin2: a1 and a2, a1 > a2, in units of the distance.

    Returns:
        float [...].

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> positive, negative, negatives = np.array([[1.0, 1.0], [1.5, 3.0], [2.0, 1.25]])
        >>> quadruplet(NUMPY, positive, negative, negatives, margin=1.0, margin2=0.5)
        array([0.5 , 0.25])

    Source: Chen, Chen, Zhang and Huang 2017, "Beyond Triplet Loss", equation 7 (with squared distances).
    """
    return xp.relu(positive - negative + margin) + xp.relu(positive - negatives + margin2)


QUADRUPLET = Loss(
    name="quadruplet",
    formula=quadruplet,
    form=QUARTET,
    unit_margin=0.2,
    free_margin=1.0,
    margin_names=("margin", "margin2"),
    needs_smaller_margin2=True,
    second_negative=OTHER_CLASS,
    hinges=("margin", "margin2"),
)
