"""The losses, as pure functions of distances; each gives one value per tuple, and the miner says which tuples exist.

A loss takes one of three forms of input: pairs, triplets or quartets of distances (trainer/mining.py). A new loss is
one function and one line in LOSSES. The distance is chosen apart from the loss: FaceNet's triplet loss is `triplet`
with distance `squared_euclidean`, and Chen's quadruplet loss, published with squared distances, is `quadruplet` with
the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor

PAIR, TRIPLET, QUARTET = "pair", "triplet", "quartet"


def contrastive(distance: Tensor, different: Tensor, *, margin: float) -> Tensor:
    """(1-Y)/2 D^2 + Y/2 max(0, m - D)^2, where Y is 1 for a pair of different classes.

    Args:
        distance: float [T].
        different: bool [T], Y.
        margin: m, in units of the distance.

    Returns:
        float [T].

    Source: Hadsell, Chopra and LeCun 2006, "Dimensionality Reduction by Learning an Invariant Mapping", equation 4.
    """
    return 0.5 * F.relu(margin - distance).square().where(different, distance.square())


def triplet(positive: Tensor, negative: Tensor, *, margin: float) -> Tensor:
    """max(0, d_ap - d_an + m).

    Args:
        positive, negative: float [T], distances of the anchor to its positive and its negative.
        margin: m, in units of the distance.

    Returns:
        float [T].

    Source: Schroff, Kalenichenko and Philbin 2015, "FaceNet", equation 3 (with squared distances).
    """
    return F.relu(positive - negative + margin)


def triplet_soft(positive: Tensor, negative: Tensor, *, margin: float) -> Tensor:
    """log(1 + exp(d_ap - d_an + m)): never zero, so it keeps pulling when every triplet is already right.

    Args:
        positive, negative: float [T], distances of the anchor to its positive and its negative.
        margin: shifts the soft hinge; 0 in the paper.

    Returns:
        float [T].

    Source: Hermans, Beyer and Leibe 2017, "In Defense of the Triplet Loss for Person Re-Identification", section 2.
    """
    return F.softplus(positive - negative + margin)


def quadruplet(positive: Tensor, negative: Tensor, negatives: Tensor, *, margin: float, margin2: float) -> Tensor:
    """max(0, d_ap - d_an + a1) + max(0, d_ap - d_n1n2 + a2); classes of anchor, n1 and n2 all different.

    Args:
        positive, negative: float [T], distances of the anchor to its positive and its first negative.
        negatives: float [T], distance between the two negatives.
        margin, margin2: a1 and a2, a1 > a2, in units of the distance.

    Returns:
        float [T].

    Source: Chen, Chen, Zhang and Huang 2017, "Beyond Triplet Loss", equation 7 (with squared distances).
    """
    return F.relu(positive - negative + margin) + F.relu(positive - negatives + margin2)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss and what the configuration needs to know of it.

    Attributes:
        function: gives one value per tuple.
        form: which tuples it takes: `pair`, `triplet` or `quartet`.
        kinds: the kinds of model that may use it; a triplet holds the pairs (a, p) and (a, n), a quartet two triplets.
        mining: default miner.
        margins: default margin, {(distance, normalized): margin}.
    """

    function: Callable[..., Tensor]
    form: str
    kinds: tuple[str, ...]
    mining: str
    margins: dict[tuple[str, bool], float]


def _margins(unit: float, free: float) -> dict[tuple[str, bool], float]:
    """Default margins from the euclidean one on unit vectors and the one on free vectors.

    On unit vectors squared distances reach 4 where distances reach 2, so the margin doubles with them; cosine
    distances reach 2, whatever the vectors' length.
    """
    return {
        ("euclidean", True): unit,
        ("euclidean", False): free,
        ("squared_euclidean", True): 2 * unit,
        ("squared_euclidean", False): free,
        ("cosine", True): unit,
        ("cosine", False): unit,
    }


_TRIPLET_KINDS = ("triplet", "quartet")

LOSSES: dict[str, Loss] = {
    "contrastive": Loss(
        function=contrastive, form=PAIR, kinds=("siamese", "triplet", "quartet"), mining="all", margins=_margins(1, 1)
    ),
    "triplet": Loss(function=triplet, form=TRIPLET, kinds=_TRIPLET_KINDS, mining="all", margins=_margins(0.2, 1)),
    "triplet_soft": Loss(
        function=triplet_soft, form=TRIPLET, kinds=_TRIPLET_KINDS, mining="batch_hard", margins=_margins(0, 0)
    ),
    "quadruplet": Loss(function=quadruplet, form=QUARTET, kinds=("quartet",), mining="all", margins=_margins(0.2, 1)),
}

DEFAULT_LOSSES: dict[str, str] = {"siamese": "contrastive", "triplet": "triplet", "quartet": "quadruplet"}
"""The loss of a kind when none is asked for."""
