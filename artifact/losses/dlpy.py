"""Quartet loss for tuples as SAS DLPy draws them: two negatives of one class, each held away from the anchor."""

from __future__ import annotations

from artifact.losses.loss import QUARTET, SAME_CLASS, Loss
from artifact.namespace import Array, Namespace


def dlpy(xp: Namespace, positive: Array, negative: Array, negative2: Array, *, margin: float) -> Array:
    """max(0, d_ap - d_an1 + m) + max(0, d_ap - d_an2 + m); n1 and n2 are two images of one class.

    DLPy's own quartet loss is unpublished; Chen's second term would push the two negatives, which look alike, apart, so
    each is held away from the anchor instead.

    Args:
        positive, negative, negative2: float [...], distances of the anchor to its positive and both negatives.
        margin: m, in units of the distance; DLPy's notebooks write it with a minus sign.

    Returns:
        float [...].

    Example:
        >>> import numpy as np
        >>> from artifact.namespace import NUMPY
        >>> positive, negative, negative2 = np.array([[1.0, 1.0], [1.5, 3.0], [2.5, 1.25]])
        >>> dlpy(NUMPY, positive, negative, negative2, margin=1.0)
        array([0.5 , 0.75])
    """
    return xp.relu(positive - negative + margin) + xp.relu(positive - negative2 + margin)


DLPY = Loss(
    name="dlpy",
    formula=dlpy,
    form=QUARTET,
    unit_margin=0.2,
    free_margin=1.0,
    second_negative=SAME_CLASS,
    hinges=("margin", "margin"),
)
