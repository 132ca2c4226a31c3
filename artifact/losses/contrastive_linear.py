"""Contrastive loss of pairs without its squares: the default of siamese and triplet models."""

from __future__ import annotations

from artifact.losses.loss import PAIR, Loss
from artifact.namespace import Array, Namespace


def contrastive_linear(xp: Namespace, distance: Array, different: Array, *, margin: float) -> Array:
    """D for a pair of one class, max(0, m - D) for a pair of two: Hadsell's loss without the squares.

    Its gradients stay as long as they are while a pair is still wrong; squared ones fade as same pairs come close.

    Args:
        distance: float [...].
        different: bool [...].
        margin: m, in units of the distance.

    Returns:
        float [...].

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> distance, different = np.array([0.5, 0.5, 2.0]), np.array([False, True, True])
        >>> contrastive_linear(NUMPY, distance, different, margin=1.5)
        array([0.5, 1. , 0. ])

    Source: the form of pytorch-metric-learning's ContrastiveLoss, with its positive margin at 0.
    """
    return xp.where(different, xp.relu(margin - distance), distance)


CONTRASTIVE_LINEAR = Loss(
    name="contrastive_linear",
    formula=contrastive_linear,
    form=PAIR,
    unit_margin=1.0,
    free_margin=1.0,
    unit_length=True,
    needs_margin=True,
)
