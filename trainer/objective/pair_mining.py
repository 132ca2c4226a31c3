"""Miners of pairs: each gives two masks over the [N, N] matrix, the pairs looked at and the pairs mined.

A new miner is one function and one line in PAIR_MINERS. `all`, `easy`, `semi_hard` and `hard` take a pair once, above
the diagonal; `batch_hard` and `multi_similarity` choose per image, as in the sources, so a pair that both of its images
choose counts twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from artifact.losses.loss import PAIR
from trainer.objective.tuples import FILLER, HARDNESS, Masks, Tuples, farthest, nearest

EPSILON = 0.1
"""Slack of the multi-similarity miner, in units of the distance (for cosine: of the similarity, as published)."""

Chosen = tuple[Tensor, Tensor]
"""`valid` and `mined`, bool [N, N] each."""


def all_pairs(distances: Tensor, masks: Masks, margin: float) -> Chosen:
    """Every unordered pair of the batch once."""
    every = (masks.same | masks.different).triu()
    return every, every


def pairs_of_hardness(name: str, distances: Tensor, masks: Masks, margin: float) -> Chosen:
    """The unordered pairs whose hardest triplet is easy, semi-hard or hard (trainer/objective/tuples.py)."""
    every, _ = all_pairs(distances, masks, margin)
    return every, every & HARDNESS[name](*hardest_triplets(distances, masks), margin)


def batch_hard_pairs(distances: Tensor, masks: Masks, margin: float) -> Chosen:
    """Per image its farthest positive and its nearest negative; up to 2 N.

    Source: Hermans, Beyer and Leibe 2017, "In Defense of the Triplet Loss for Person Re-Identification", equation 5.
    """
    _, positive, has_positive = farthest(distances, masks.same)
    _, negative, has_negative = nearest(distances, masks.different)
    chosen = torch.zeros_like(masks.same).scatter(1, positive[:, None], has_positive[:, None])
    chosen = chosen | torch.zeros_like(masks.same).scatter(1, negative[:, None], has_negative[:, None])
    return chosen, chosen


def multi_similarity_pairs(distances: Tensor, masks: Masks, margin: float) -> Chosen:
    """Per image the positives farther than its nearest negative, and the negatives nearer than its farthest positive.

    Both with a slack of EPSILON; ordered pairs, the row is the anchor.

    Source: Wang, Han, Huang, Dong and Scott 2019, "Multi-Similarity Loss with General Pair Weighting for Deep Metric
    Learning", equations 11 and 12; on distances as pytorch-metric-learning's MultiSimilarityMiner.
    """
    far, _, _ = farthest(distances, masks.same)
    near, _, _ = nearest(distances, masks.different)
    positives = masks.same & (distances + EPSILON > near[:, None])
    negatives = masks.different & (distances - EPSILON < far[:, None])
    return masks.same | masks.different, positives | negatives


def hardest_triplets(distances: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    """Per pair the distances (positive, negative) of the hardest triplet that holds it: float [N, N] twice.

    A pair of one class stands against the nearest negative of either image, one of two classes against the farthest
    positive of either; inf or -inf where there is none.
    """
    far, _, _ = farthest(distances, masks.same)
    near, _, _ = nearest(distances, masks.different)
    positive = torch.where(masks.different, torch.maximum(far[:, None], far), distances)
    return positive, torch.where(masks.different, distances, torch.minimum(near[:, None], near))


PAIR_MINERS: dict[str, Callable[[Tensor, Masks, float], Chosen]] = {
    "all": all_pairs,
    "easy": partial(pairs_of_hardness, "easy"),
    "semi_hard": partial(pairs_of_hardness, "semi_hard"),
    "hard": partial(pairs_of_hardness, "hard"),
    "batch_hard": batch_hard_pairs,
    "multi_similarity": multi_similarity_pairs,
}


def mine_pairs(distances: Tensor, masks: Masks, *, miner: str, margin: float) -> Tuples:
    """Pairs of a batch: the whole matrix, of which `mined` is seen; see trainer.objective.mining.mine."""
    fixed = distances.detach()
    valid, mined = PAIR_MINERS[miner](fixed, masks, margin)
    return Tuples(
        form=PAIR,
        terms=(distances.where(valid, FILLER), masks.different),
        valid=valid,
        mined=mined,
        hardness_terms=hardest_triplets(fixed, masks),
    )
