"""Mean distances of a batch's pairs, for watching a run: of all of them, of one class, of two classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.objective.masks import Masks


@dataclass(frozen=True, kw_only=True)
class PairMeans:
    """Float [] each, detached, in units of the distance; NaN where there is no such pair."""

    every: Tensor
    positive: Tensor
    negative: Tensor


def means_of_matrix(distances: Tensor, masks: Masks) -> PairMeans:
    """Of all pairs of two images: distances float [N, N]. One pass over the matrix; positives from their table."""
    fixed = distances.detach()
    total = fixed.sum(dtype=torch.float64) - fixed.diagonal().sum(dtype=torch.float64)
    positive = fixed.gather(1, masks.positives).where(masks.has_positive, 0.0).sum(dtype=torch.float64)
    num_pairs, num_positive = len(fixed) * (len(fixed) - 1), masks.has_positive.sum()
    return _means(total, positive, torch.full_like(num_positive, num_pairs), num_positive)


def means_of_pairs(distances: Tensor, different: Tensor) -> PairMeans:
    """Of drawn pairs: float [...], bool [...]."""
    fixed = distances.detach().double()
    same = ~different
    return _means(fixed.sum(), fixed.where(same, 0.0).sum(), torch.full_like(same.sum(), same.numel()), same.sum())


def _means(total: Tensor, positive: Tensor, num_pairs: Tensor, num_positive: Tensor) -> PairMeans:
    num_negative = num_pairs - num_positive
    negative = torch.where(num_negative > 0, (total - positive) / num_negative, torch.nan)
    return PairMeans(
        every=(total / num_pairs).float(), positive=(positive / num_positive).float(), negative=negative.float()
    )
