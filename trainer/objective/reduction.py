"""Reduction of a batch: its tuples' values to one loss, the counts that explain it, and mean distances of its pairs.

Decisions a reader would question:
- The mean is over tuples with a loss above zero: zeros would dilute the few informative tuples more and more while
  training goes well. That holds the loss near the margin by construction, so % active and % correct stand beside it.
- Of pairs, the means of same and of different pairs are added: in a balanced batch different pairs are P times more.
- Shares are of all tuples that the miner looked at, not of those it took: 100 % of hard triplets are hard.
- `correct` of pairs is the mean of two shares, same pairs nearer and different pairs farther than half the margin, so a
  network that calls everything different reads 50 % and not 90 %.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from artifact.losses.loss import PAIR, TRIPLET
from trainer.objective.tuples import Masks, Tuples, is_easy, is_hard


@dataclass(frozen=True, kw_only=True)
class Reduced:
    """Scalars of one batch, on the device of its distances; shares are in [0, 1] and NaN where nothing was looked at.

    Attributes:
        loss: with gradients; 0 where no tuple is active.
        num_tuples: mined tuples.
        num_active: those of them with a loss above zero.
        share_correct: see `share_correct`.
        share_easy, share_hard: trainer/objective/tuples.py; what is left is semi-hard.
    """

    loss: Tensor
    num_tuples: Tensor
    num_active: Tensor
    share_correct: Tensor
    share_easy: Tensor
    share_hard: Tensor


def reduce(tuples: Tuples, values: Tensor, *, margin: float) -> Reduced:
    """One loss from one value per tuple: values float [...] as `tuples.valid`."""
    active = ~(values.detach() <= 0) & tuples.mined  # NaN is active: a loss that is no number must be seen
    num_valid = tuples.valid.sum()
    if tuples.form == PAIR:
        different = tuples.terms[1]
        loss = _mean_active(values, active & different) + _mean_active(values, active & ~different)
    else:
        loss = _mean_active(values, active)
    if tuples.hardness_terms is None:
        easy = hard = torch.full_like(loss.detach(), torch.nan)
    else:
        easy = (is_easy(*tuples.hardness_terms, margin) & tuples.valid).sum() / num_valid
        hard = (is_hard(*tuples.hardness_terms, margin) & tuples.valid).sum() / num_valid
    return Reduced(
        loss=loss,
        num_tuples=tuples.mined.sum(),
        num_active=active.sum(),
        share_easy=easy,
        share_hard=hard,
        share_correct=1 - hard if tuples.form == TRIPLET else share_correct(tuples, margin=margin),
    )


def share_correct(tuples: Tuples, *, margin: float) -> Tensor:
    """Share of the tuples looked at that are in the right order, in [0, 1]: float []; NaN where there is none.

    Triplets: d_ap < d_an. Quartets: d_ap below the third distance too. Pairs: see the module docstring; where all are
    of one sort, that sort's share.
    """
    if tuples.form == PAIR:
        distance, different = tuples.terms[0].detach(), tuples.terms[1]
        right = torch.where(different, distance > margin / 2, distance <= margin / 2)
        shares = [_share(right, tuples.valid & sort) for sort in (different, ~different)]
        return torch.stack(shares).nanmean()
    positive, *others = (term.detach() for term in tuples.terms)
    return _share(positive < functools.reduce(torch.minimum, others), tuples.valid)


def _share(what: Tensor, mask: Tensor) -> Tensor:
    """Share of the mask in which something holds: bool [...] twice -> float []; NaN where the mask is empty."""
    return (what & mask).sum() / mask.sum()


def _mean_active(values: Tensor, active: Tensor) -> Tensor:
    """Mean of the values of the active tuples; 0, still with a gradient path, where there is none."""
    return (values * active.to(values.dtype)).sum() / active.sum().clamp(min=1)


@dataclass(frozen=True, kw_only=True)
class PairMeans:
    """Mean distances of pairs of two images, for watching a run: of all of them, of one class, of two classes.

    Float [] each, detached, in units of the distance; NaN where there is no such pair.
    """

    every: Tensor
    positive: Tensor
    negative: Tensor


def means_of_matrix(distances: Tensor, masks: Masks) -> PairMeans:
    """Of all pairs of two images: distances float [N, N]. One pass over the matrix; positives from their table."""
    fixed = distances.detach()
    total = fixed.sum(dtype=torch.float64) - fixed.diagonal().sum(dtype=torch.float64)
    positive = fixed.gather(1, masks.positives).where(masks.positive_exists, 0.0).sum(dtype=torch.float64)
    num_pairs, num_positive = len(fixed) * (len(fixed) - 1), masks.positive_exists.sum()
    return _means(total, positive, torch.full_like(num_positive, num_pairs), num_positive)


def means_of_pairs(distances: Tensor, different: Tensor) -> PairMeans:
    """Of drawn pairs: float [...], bool [...]."""
    fixed = distances.detach().double()
    same = ~different
    return _means(fixed.sum(), fixed.where(same, 0.0).sum(), torch.full_like(same.sum(), same.numel()), same.sum())


def means_of_triplets(positive: Tensor, negative: Tensor, valid: Tensor) -> PairMeans:
    """Of the pairs of triplets, an anchor's positive with each of its negatives: float [N, 1], [N, M], bool [N, M]."""
    near, far = positive.detach().double(), negative.detach().double()
    count = valid.sum()
    same = (near.squeeze(1) * valid.sum(dim=1)).sum()
    return _means(same + far.where(valid, 0.0).sum(), same, 2 * count, count)


def _means(total: Tensor, positive: Tensor, num_pairs: Tensor, num_positive: Tensor) -> PairMeans:
    num_negative = num_pairs - num_positive
    negative = torch.where(num_negative > 0, (total - positive) / num_negative, torch.nan)
    return PairMeans(
        every=(total / num_pairs).float(), positive=(positive / num_positive).float(), negative=negative.float()
    )
