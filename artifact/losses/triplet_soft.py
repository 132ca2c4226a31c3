"""Soft triplet loss: a softplus in the place of the hinge."""

from __future__ import annotations

from artifact.losses.loss import TRIPLET, Loss
from artifact.namespace import Array, Namespace


def triplet_soft(xp: Namespace, positive: Array, negative: Array, *, margin: float) -> Array:
    """log(1 + exp(d_ap - d_an + m)): never zero, so it keeps pulling when every triplet is already right.

    Args:
        positive, negative: float [...], distances of the anchor to its positive and its negative.
        margin: shifts the soft hinge; 0 in the paper.

    Returns:
        float [...].

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> triplet_soft(NUMPY, np.array([1.0, 1.0]), np.array([1.0, 3.0]), margin=0.0).round(3)
        array([0.693, 0.127])

    Source: Hermans, Beyer and Leibe 2017, "In Defense of the Triplet Loss for Person Re-Identification", section 2.
    """
    return xp.softplus(positive - negative + margin)


TRIPLET_SOFT = Loss(
    name="triplet_soft", formula=triplet_soft, form=TRIPLET, unit_margin=0.0, free_margin=0.0, mining="batch_hard"
)
