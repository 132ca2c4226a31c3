"""Miners of triplets: which positives and which negatives of each anchor, laid out to broadcast.

A new miner is one function and one line in TRIPLET_MINERS. `easy`, `semi_hard` and `hard` are masks over all triplets;
`batch_hard` and `nearest_semi_hard` pick one negative per anchor or per positive, and look at nothing else.

Decision a reader would question: `semi_hard` means every semi-hard triplet, as in pytorch-metric-learning, beside
`easy` and `hard`; one negative for each positive, as TensorFlow's triplet_semihard_loss takes it from FaceNet, is
`nearest_semi_hard`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from trainer.objective.hardness import HARDNESS
from trainer.objective.losses import TRIPLET
from trainer.objective.masks import Masks, farthest, nearest
from trainer.objective.pair_mining import multi_similarity_pairs
from trainer.objective.tuples import FILLER, Tuples


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
    every = masks.has_positive[:, :, None] & masks.different[:, None, :]
    return Triplets(positive=masks.positives, negative=None, valid=every, mined=every)


def triplets_of_hardness(name: str, distances: Tensor, masks: Masks, margin: float) -> Triplets:
    """Every easy, semi-hard or hard triplet (trainer/objective/hardness.py)."""
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
    exists = (masks.has_positive & has_negative[:, None])[:, :, None]
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
        order=(positive.detach(), negative.detach()),
    )
