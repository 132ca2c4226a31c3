"""Contrastive loss of pairs, as published: with squares."""

from __future__ import annotations

from artifact.losses.contrastive_linear import contrastive_linear
from artifact.losses.loss import PAIR, Loss
from artifact.namespace import Array, Namespace


def contrastive(xp: Namespace, distance: Array, different: Array, *, margin: float) -> Array:
    """(1-Y)/2 D^2 + Y/2 max(0, m - D)^2, where Y is 1 for a pair of different classes.

    Args:
        distance: float [...].
        different: bool [...], Y.
        margin: m, in units of the distance.

    Returns:
        float [...].

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> distance, different = np.array([0.5, 0.5, 2.0]), np.array([False, True, True])
        >>> contrastive(NUMPY, distance, different, margin=1.5)
        array([0.125, 0.5  , 0.   ])

    Source: Hadsell, Chopra and LeCun 2006, "Dimensionality Reduction by Learning an Invariant Mapping", equation 4.
    """
    wrong = contrastive_linear(xp, distance, different, margin=margin)
    return 0.5 * wrong * wrong


CONTRASTIVE = Loss(
    name="contrastive", formula=contrastive, form=PAIR, unit_margin=1.0, free_margin=1.0, needs_margin=True
)
