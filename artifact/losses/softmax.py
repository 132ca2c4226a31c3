"""Softmax loss: all negatives of an anchor in one logarithm, as two towers train by it."""

from __future__ import annotations

from artifact.losses.loss import TRIPLET, Loss
from artifact.namespace import Array, Namespace

TEMPERATURE = 0.05
"""Share of the largest distance of unit vectors; of distances without a bound it is that number itself."""


def softmax(xp: Namespace, positive: Array, negative: Array, *, temperature: float = 2 * TEMPERATURE) -> Array:
    """log(1 + exp((d_ap - d_an) / t)): the cross entropy of finding the positive beside one negative.

    Over a batch there is one logarithm an anchor, log(1 + sum_n exp((d_ap - d_an) / t)), in trainer/towers.

    Args:
        positive, negative: float [...], distances of the anchor to its positive and its negative.
        temperature: t, in units of the distance.

    Returns:
        float [...].

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> softmax(NUMPY, np.array([1.0, 1.0]), np.array([1.0, 1.2]), temperature=0.1).round(3)
        array([0.693, 0.127])

    Source: van den Oord, Li and Vinyals 2018, "Representation Learning with Contrastive Predictive Coding", equation 4;
    of two towers Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision".
    """
    return xp.softplus((positive - negative) / temperature)


SOFTMAX = Loss(
    name="softmax", formula=softmax, form=TRIPLET, unit_margin=0.0, free_margin=0.0, unit_length=True, margin_names=()
)
