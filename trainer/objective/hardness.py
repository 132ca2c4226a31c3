"""Easy, semi-hard and hard, in one place: what the words mean for a triplet, for a pair and for a quartet.

A triplet with margin m is easy where d_an > d_ap + m, semi-hard where d_ap < d_an <= d_ap + m, and hard where
d_an <= d_ap (Schroff et al. 2015, "FaceNet", section 3.2; the borders as in pytorch-metric-learning's
TripletMarginMiner). A quartet is as hard as its triplet. A pair is as hard as the hardest triplet that holds it, and
easy where no triplet does: a pair alone has no order to be right or wrong about.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def is_easy(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """d_an > d_ap + m, elementwise: bool."""
    return negative > positive + margin


def is_semi_hard(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """d_ap < d_an <= d_ap + m, elementwise: bool."""
    return (negative > positive) & (negative <= positive + margin)


def is_hard(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """d_an <= d_ap, elementwise, whatever the margin: bool."""
    return negative <= positive


HARDNESS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "easy": is_easy,
    "semi_hard": is_semi_hard,
    "hard": is_hard,
}
