"""Triplet loss: a hinge on the difference of two distances."""

from __future__ import annotations

from artifact.losses.loss import TRIPLET, Loss
from artifact.namespace import Array, Namespace


def triplet(xp: Namespace, positive: Array, negative: Array, *, margin: float) -> Array:
    """max(0, d_ap - d_an + m).

    Args:
        positive, negative: float [...], distances of the anchor to its positive and its negative.
        margin: m, in units of the distance.

    Returns:
        float [...].

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> triplet(NUMPY, np.array([1.0, 1.0, 1.0]), np.array([0.5, 1.5, 3.0]), margin=1.0)
        array([1.5, 0.5, 0. ])

    Source: Schroff, Kalenichenko and Philbin 2015, "FaceNet", equation 3 (with squared distances).
    """
    return xp.relu(positive - negative + margin)


TRIPLET_LOSS = Loss(name="triplet", formula=triplet, form=TRIPLET, unit_margin=0.2, free_margin=1.0, hinges=("margin",))
