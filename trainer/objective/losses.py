"""The losses, as pure functions of distances; each gives one value per tuple, and the miner says which tuples exist.

A loss takes one of three forms of input: pairs, triplets or quartets of distances (trainer/objective/tuples.py), which broadcast
together: one is any elementwise function. A new loss is one function and one line in LOSSES; a user's own is named
`module:function` (trainer/objective/own_loss.py). The distance is chosen apart from the loss: FaceNet's triplet loss is `triplet`
with distance `squared_euclidean`, and Chen's quadruplet loss, published with squared distances, is `quadruplet` with
the same.

Decision a reader would question: no multi-similarity, NT-Xent or proxy loss. Each is a logarithm over all of an
anchor's distances, not a value per tuple, so it would be a fourth form with miners and statistics of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor

PAIR, TRIPLET, QUARTET = "pair", "triplet", "quartet"

OTHER_CLASS, SAME_CLASS = "other_class", "same_class"
"""A quartet's second negative: of a class that is neither the anchor's nor the first negative's; or of the latter."""


def contrastive(distance: Tensor, different: Tensor, *, margin: float) -> Tensor:
    """(1-Y)/2 D^2 + Y/2 max(0, m - D)^2, where Y is 1 for a pair of different classes.

    Args:
        distance: float [...].
        different: bool [...], Y.
        margin: m, in units of the distance.

    Returns:
        float [...].

    Source: Hadsell, Chopra and LeCun 2006, "Dimensionality Reduction by Learning an Invariant Mapping", equation 4.
    """
    return 0.5 * F.relu(margin - distance).square().where(different, distance.square())


def contrastive_linear(distance: Tensor, different: Tensor, *, margin: float) -> Tensor:
    """D for a pair of one class, max(0, m - D) for a pair of two: Hadsell's loss without the squares.

    Its gradients stay as long as they are while a pair is still wrong; squared ones fade as same pairs come close.

    Args:
        distance: float [...].
        different: bool [...].
        margin: m, in units of the distance.

    Returns:
        float [...].

    Source: the form of pytorch-metric-learning's ContrastiveLoss, with its positive margin at 0.
    """
    return F.relu(margin - distance).where(different, distance)


def triplet(positive: Tensor, negative: Tensor, *, margin: float) -> Tensor:
    """max(0, d_ap - d_an + m).

    Args:
        positive, negative: float [...], distances of the anchor to its positive and its negative.
        margin: m, in units of the distance.

    Returns:
        float [...].

    Source: Schroff, Kalenichenko and Philbin 2015, "FaceNet", equation 3 (with squared distances).
    """
    return F.relu(positive - negative + margin)


def triplet_soft(positive: Tensor, negative: Tensor, *, margin: float) -> Tensor:
    """log(1 + exp(d_ap - d_an + m)): never zero, so it keeps pulling when every triplet is already right.

    Args:
        positive, negative: float [...], distances of the anchor to its positive and its negative.
        margin: shifts the soft hinge; 0 in the paper.

    Returns:
        float [...].

    Source: Hermans, Beyer and Leibe 2017, "In Defense of the Triplet Loss for Person Re-Identification", section 2.
    """
    return F.softplus(positive - negative + margin)


def quadruplet(positive: Tensor, negative: Tensor, negatives: Tensor, *, margin: float, margin2: float) -> Tensor:
    """max(0, d_ap - d_an + a1) + max(0, d_ap - d_n1n2 + a2); classes of anchor, n1 and n2 all different.

    Args:
        positive, negative: float [...], distances of the anchor to its positive and its first negative.
        negatives: float [...], distance between the two negatives.
        margin, margin2: a1 and a2, a1 > a2, in units of the distance.

    Returns:
        float [...].

    Source: Chen, Chen, Zhang and Huang 2017, "Beyond Triplet Loss", equation 7 (with squared distances).
    """
    return F.relu(positive - negative + margin) + F.relu(positive - negatives + margin2)


def dlpy(positive: Tensor, negative: Tensor, negative2: Tensor, *, margin: float) -> Tensor:
    """max(0, d_ap - d_an1 + m) + max(0, d_ap - d_an2 + m); n1 and n2 are two images of one class.

    For tuples as SAS DLPy draws them. Its own quartet loss is unpublished; Chen's second term would push the two
    negatives, which look alike, apart, so each is held away from the anchor instead.

    Args:
        positive, negative, negative2: float [...], distances of the anchor to its positive and both negatives.
        margin: m, in units of the distance; DLPy's notebooks write it with a minus sign.

    Returns:
        float [...].
    """
    return F.relu(positive - negative + margin) + F.relu(positive - negative2 + margin)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss and what the configuration needs to know of it.

    Attributes:
        function: gives one value per tuple.
        form: which tuples it takes: `pair`, `triplet` or `quartet`.
        kinds: the kinds of model that may use it; a triplet holds the pairs (a, p) and (a, n), a quartet two triplets.
        mining: default miner.
        margins: default margin, {(distance, normalized): margin}.
        unit_length: whether vectors are put on the unit sphere unless the user says otherwise.
        margin_names: the margins that the function takes, `margin` and maybe `margin2`.
        second_negative: of quartets, OTHER_CLASS (the function takes negative-negative2) or SAME_CLASS (it takes
            anchor-negative2).
        hinges: where the loss is the sum of max(0, first term - other term + its margin) over its other terms, the
            names of their margins; all tuples of a batch are then summed in [N, N] memory (trainer/objective/hinge.py).
    """

    function: Callable[..., Tensor]
    form: str
    kinds: tuple[str, ...]
    mining: str
    margins: dict[tuple[str, bool], float]
    unit_length: bool = False
    margin_names: tuple[str, ...] = ("margin",)
    second_negative: str | None = None
    hinges: tuple[str, ...] = ()


def default_margins(unit: float, free: float) -> dict[tuple[str, bool], float]:
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


KINDS_OF_FORM: dict[str, tuple[str, ...]] = {
    PAIR: ("siamese", "triplet", "quartet"),
    TRIPLET: ("triplet", "quartet"),
    QUARTET: ("quartet",),
}

LOSSES: dict[str, Loss] = {
    "contrastive": Loss(
        function=contrastive, form=PAIR, kinds=KINDS_OF_FORM[PAIR], mining="all", margins=default_margins(1, 1)
    ),
    "contrastive_linear": Loss(
        function=contrastive_linear,
        form=PAIR,
        kinds=KINDS_OF_FORM[PAIR],
        mining="all",
        margins=default_margins(1, 1),
        unit_length=True,
    ),
    "triplet": Loss(
        function=triplet,
        form=TRIPLET,
        kinds=KINDS_OF_FORM[TRIPLET],
        mining="all",
        margins=default_margins(0.2, 1),
        hinges=("margin",),
    ),
    "triplet_soft": Loss(
        function=triplet_soft,
        form=TRIPLET,
        kinds=KINDS_OF_FORM[TRIPLET],
        mining="batch_hard",
        margins=default_margins(0, 0),
    ),
    "quadruplet": Loss(
        function=quadruplet,
        form=QUARTET,
        kinds=KINDS_OF_FORM[QUARTET],
        mining="all",
        margins=default_margins(0.2, 1),
        margin_names=("margin", "margin2"),
        second_negative=OTHER_CLASS,
        hinges=("margin", "margin2"),
    ),
    "dlpy": Loss(
        function=dlpy,
        form=QUARTET,
        kinds=KINDS_OF_FORM[QUARTET],
        mining="all",
        margins=default_margins(0.2, 1),
        second_negative=SAME_CLASS,
        hinges=("margin", "margin"),
    ),
}

DEFAULT_LOSSES: dict[str, str] = {
    "siamese": "contrastive_linear",
    "triplet": "contrastive_linear",
    "quartet": "quadruplet",
}
"""The loss of a kind when none is asked for: the best measured (docs/decisions/0003-default-recipe-of-training.md)."""
