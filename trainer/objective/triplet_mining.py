"""Miners of triplets, laid out to broadcast, and of quartets: a mined triplet and its second negative.

A new miner is one function and one line in TRIPLET_MINERS. `easy`, `semi_hard` and `hard` are masks over all triplets;
`batch_hard` and `nearest_semi_hard` pick one negative per anchor or per positive, and look at nothing else. Of quartets
a miner's name says which triplets.

Decisions a reader would question:
- `semi_hard` means every semi-hard triplet, as in pytorch-metric-learning, beside `easy` and `hard`; one negative for
  each positive, as TensorFlow's triplet_semihard_loss takes it from FaceNet, is `nearest_semi_hard`.
- The second negative of a quartet is one image and not every one. Of a third class (Chen's loss) it is the nearest to
  the first negative, the one that the second term is largest for; the full product is N times larger and mostly zeros.
  It depends on (anchor's class, negative) only, so quartets cost what triplets do.
- Of the first negative's own class (DLPy's quartets) it is the image that lies nearest to the anchor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from artifact.losses.loss import OTHER_CLASS, QUARTET, TRIPLET
from trainer.objective.pair_mining import multi_similarity_pairs
from trainer.objective.tuples import FILLER, HARDNESS, Masks, Tuples, farthest, nearest


@dataclass(frozen=True, kw_only=True)
class Triplets:
    """P positives of each of the N anchors, against M negatives each: every image (M = N) or one (M = 1).

    Attributes:
        positive: int64 [N, P].
        negative: int64 [N, P], one per positive; None: every image of the batch.
        valid, mined: bool [N, P, M], see trainer.objective.tuples.Tuples.
    """

    positive: Tensor
    negative: Tensor | None
    valid: Tensor
    mined: Tensor

    def against(self, matrix: Tensor) -> Tensor:
        """Entries (anchor, negative) of a matrix [N, N], laid out as the triplets: [N, 1, N] or [N, P, 1]."""
        return matrix[:, None, :] if self.negative is None else matrix.gather(1, self.negative)[:, :, None]


def all_triplets(distances: Tensor, masks: Masks, margin: float) -> Triplets:
    """Every (anchor, positive, negative)."""
    every = masks.positive_exists[:, :, None] & masks.different[:, None, :]
    return Triplets(positive=masks.positives, negative=None, valid=every, mined=every)


def triplets_of_hardness(name: str, distances: Tensor, masks: Masks, margin: float) -> Triplets:
    """Every easy, semi-hard or hard triplet (trainer/objective/tuples.py)."""
    every = all_triplets(distances, masks, margin)
    positive = distances.gather(1, masks.positives)[:, :, None]
    chosen = HARDNESS[name](positive, distances[:, None, :], margin)
    return Triplets(positive=every.positive, negative=None, valid=every.valid, mined=every.valid & chosen)


def batch_hard_triplets(distances: Tensor, masks: Masks, margin: float) -> Triplets:
    """Per anchor its farthest positive and its nearest negative; up to N.

    Source: Hermans, Beyer and Leibe 2017, "In Defense of the Triplet Loss for Person Re-Identification", equation 5.
    """
    _, positive, has_positive = farthest(distances, masks.same)
    _, negative, has_negative = nearest(distances, masks.different)
    exists = (has_positive & has_negative)[:, None, None]
    return Triplets(positive=positive[:, None], negative=negative[:, None], valid=exists, mined=exists)


def nearest_semi_hard_triplets(distances: Tensor, masks: Masks, margin: float) -> Triplets:
    """Per (anchor, positive) the nearest negative farther than the positive; where none is, the farthest negative.

    Source: Schroff, Kalenichenko and Philbin 2015, "FaceNet", section 3.2; the choice and the fallback as in
    TensorFlow Addons' triplet_semihard_loss.
    """
    positive = distances.gather(1, masks.positives)[:, :, None]
    beyond = masks.different[:, None, :] & (distances[:, None, :] > positive)
    found = distances[:, None, :].masked_fill(~beyond, torch.inf).argmin(dim=2)
    _, last, has_negative = farthest(distances, masks.different)
    negative = torch.where(beyond.any(dim=2), found, last[:, None])
    exists = (masks.positive_exists & has_negative[:, None])[:, :, None]
    return Triplets(positive=masks.positives, negative=negative, valid=exists, mined=exists)


def multi_similarity_triplets(distances: Tensor, masks: Masks, margin: float) -> Triplets:
    """Per anchor every mined positive against every mined negative of the multi-similarity pairs.

    As pytorch-metric-learning joins the pairs of a miner for a triplet loss.
    """
    every = all_triplets(distances, masks, margin)
    _, pairs = multi_similarity_pairs(distances, masks, margin)
    mined = every.valid & pairs.gather(1, masks.positives)[:, :, None] & pairs[:, None, :]
    return Triplets(positive=every.positive, negative=None, valid=every.valid, mined=mined)


TRIPLET_MINERS: dict[str, Callable[[Tensor, Masks, float], Triplets]] = {
    "all": all_triplets,
    "easy": partial(triplets_of_hardness, "easy"),
    "semi_hard": partial(triplets_of_hardness, "semi_hard"),
    "hard": partial(triplets_of_hardness, "hard"),
    "nearest_semi_hard": nearest_semi_hard_triplets,
    "batch_hard": batch_hard_triplets,
    "multi_similarity": multi_similarity_triplets,
}


def mine_triplets(distances: Tensor, masks: Masks, *, miner: str, margin: float) -> Tuples:
    """Triplets of a batch; see trainer.objective.mining.mine."""
    return lay_out(TRIPLET_MINERS[miner](distances.detach(), masks, margin), distances, masks)


def lay_out(triplets: Triplets, distances: Tensor, masks: Masks) -> Tuples:
    """The distances of triplets as a loss takes them."""
    positive = distances.where(masks.same, FILLER).gather(1, triplets.positive)[:, :, None]
    negative = triplets.against(distances.where(masks.different, FILLER))
    return Tuples(
        form=TRIPLET,
        terms=(positive, negative),
        valid=triplets.valid,
        mined=triplets.mined,
        hardness_terms=(positive.detach(), negative.detach()),
    )


def mine_quartets(distances: Tensor, masks: Masks, *, miner: str, margin: float, second_negative: str) -> Tuples:
    """Quartets of a batch; see trainer.objective.mining.mine."""
    triplets = TRIPLET_MINERS[miner](distances.detach(), masks, margin)
    second = of_a_third_class if second_negative == OTHER_CLASS else of_the_negatives_class
    apart, exists = second(distances, masks)
    tuples, exists = lay_out(triplets, distances, masks), triplets.against(exists)
    terms = (*tuples.terms, triplets.against(apart.where(masks.different, FILLER)))
    valid, mined = triplets.valid & exists, triplets.mined & exists
    return replace(tuples, form=QUARTET, terms=terms, valid=valid, mined=mined)


def of_a_third_class(distances: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    """Distance of each negative to the nearest image that is of neither its class nor the anchor's.

    Per image the nearest of another class is found, and the nearest of a class that is neither its own nor that one's;
    a quartet takes the second where the first is of the anchor's class.

    Returns:
        float [N, N] over (anchor, negative) with gradients, FILLER where there is none; bool [N, N], whether there is.
    """
    fixed, labels = distances.detach(), masks.labels
    _, first, has_first = nearest(fixed, masks.different)
    another = masks.different & (labels != labels[first][:, None])
    _, second, has_second = nearest(fixed, another)
    clash = labels[:, None] == labels[first]  # [anchor, negative]
    apart = torch.where(
        clash,
        distances.gather(1, second[:, None])[:, 0].where(has_second, FILLER),
        distances.gather(1, first[:, None])[:, 0].where(has_first, FILLER),
    )
    return apart, torch.where(clash, has_second, has_first)


def of_the_negatives_class(distances: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    """Distance of each anchor to the nearest image of the negative's class that is not the negative itself.

    Returns:
        float [N, N] over (anchor, negative) with gradients, FILLER where there is none; bool [N, N], whether there is.
    """
    fixed = distances.detach()
    least, chosen = torch.full_like(fixed, torch.inf), torch.zeros_like(fixed, dtype=torch.int64)
    for mate, is_one in zip(masks.positives.unbind(1), masks.positive_exists.unbind(1), strict=True):  # N^2 memory so
        apart = fixed.index_select(1, mate).masked_fill_(~is_one, torch.inf)
        chosen = torch.where(apart < least, mate, chosen)
        least = torch.minimum(least, apart)
    exists = masks.positive_exists.any(dim=1).expand(chosen.shape)
    return distances.gather(1, chosen).where(exists, FILLER), exists
