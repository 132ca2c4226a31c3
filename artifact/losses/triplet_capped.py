"""Capped triplet loss: a hinge that stops growing, so that a triplet which is far too wrong no longer pulls."""

from __future__ import annotations

from artifact.losses.loss import TRIPLET, Loss
from artifact.namespace import Array, Namespace


def triplet_capped(xp: Namespace, positive: Array, negative: Array, *, margin: float, cap: float) -> Array:
    """max(0, d_ap - d_an + m), at most `cap`.

    Beyond the cap a triplet has no gradient: what is wrong by more than `cap - m` is taken for a mistake of the one who
    wrote the triplet down, as those of a machine that compares pictures often are.

    Args:
        positive, negative: float [...], distances of the anchor to its positive and its negative.
        margin: m, in units of the distance.
        cap: largest value, in units of the distance; above the margin, for equal vectors have a loss of m.

    Returns:
        float [...].

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> triplet_capped(NUMPY, np.array([1.0, 1.0, 3.0]), np.array([1.5, 3.0, 0.5]), margin=1.0, cap=2.0)
        array([0.5, 0. , 2. ])

    Source: the hinge of Wang et al. 2014, "Learning Fine-grained Image Similarity with Deep Ranking", with
    a bound.
    """
    value = positive - negative + margin
    return xp.relu(value) - xp.relu(value - cap)


TRIPLET_CAPPED = Loss(
    name="triplet_capped",
    formula=triplet_capped,
    form=TRIPLET,
    unit_margin=0.2,
    free_margin=1.0,
    unit_length=True,  # a cap means little beside distances without a bound
    margin_names=("margin", "cap"),
)
