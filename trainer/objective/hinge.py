"""Sums of hinges over all triplets or quartets of a batch, without a tensor that has an entry for each.

Where it is active, max(0, d_ap - d_an + m) is linear, so the sum over all triplets is
sum_ap c_ap (d_ap + m) - sum_an c_an d_an, with c the number of active triplets that hold the pair. The counts come from
a sorted search of every d_an among its anchor's few d_ap + m: N^2 log K steps and N^2 memory, where the triplets are
N^2 (K - 1). A quartet's loss is the sum of two such hinges.

Decisions a reader would question:
- Two ways to one number. The other (trainer/objective/reduction.py) takes any loss and any mask; this one is there
  because its cost hardly grows with K, where tuples that are listed cost K times as much (docs/decisions/0011). No kind
  comes here by default: all train pairs.
  tests/trainer/objective/test_objective.py holds the two equal.
- The two sums are large and nearly equal late in training, so they are added up in float64. The counts stand in a
  matrix of weights, so the gradient is that matrix and costs nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from artifact.losses import Loss
from artifact.losses.loss import OTHER_CLASS
from trainer.objective.reduction import Reduced
from trainer.objective.triplet_mining import of_a_third_class, of_the_negatives_class
from trainer.objective.tuples import Masks


def reduce_hinges(distances: Tensor, masks: Masks, *, loss: Loss, margins: dict[str, float]) -> Reduced:
    """The loss of all tuples of a batch, as `reduce` of the miner `all` gives it.

    Args:
        distances: float [N, N].
        masks: of the same batch.
        loss: one with `hinges`.
        margins: value of each of its margins, in units of the distance.
    """
    fixed, sizes = distances.detach(), [margins[name] for name in loss.hinges]
    others, exists = _other_terms(distances, masks, loss)
    rows = [other.detach().where(exists, torch.inf) for other in others]  # each [N, N]
    threshold = fixed.gather(1, masks.positives).where(masks.positive_exists, -torch.inf)  # [N, K - 1]

    above = threshold + sizes[0]
    (active_of, within, hard), weights = count_below(rows[0], (above, _next(above), _next(threshold)))
    active, wrong, offset = active_of.sum(), hard.sum(), sizes[0] * active_of.sum().double()
    total = torch.zeros_like(offset)
    for other, row, size in zip(others[1:], rows[1:], sizes[1:], strict=True):
        (counts,), of_others = count_below(row, (threshold + size,))
        total = total - (other * of_others).sum(dtype=torch.float64)
        offset, active_of = offset + size * counts.sum().double(), active_of + counts
        (either,), _ = count_below(torch.minimum(rows[0] - sizes[0], row - size), (threshold,))
        (misplaced,), _ = count_below(torch.minimum(rows[0], row), (_next(threshold),))
        active, wrong = either.sum(), misplaced.sum()
    weights = weights.neg_().scatter_add_(1, masks.positives, active_of.to(weights.dtype))
    total = total + (distances * weights).sum(dtype=torch.float64) + offset

    num_tuples = (masks.positive_exists.sum(dim=1) * exists.sum(dim=1)).sum()
    return Reduced(
        loss=(total / active.clamp(min=1)).to(distances.dtype),
        num_tuples=num_tuples,
        num_active=active,
        share_correct=1 - wrong / num_tuples,
        share_easy=1 - within.sum() / num_tuples,
        share_hard=hard.sum() / num_tuples,
    )


def count_below(rows: Tensor, thresholds: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
    """How many entries of each row lie below each threshold of that row, and the first thresholds above each entry.

    Args:
        rows: float [N, M]; inf is below nothing.
        thresholds: float [N, K] each; -inf has nothing below it.

    Returns:
        int64 [N, K] for each of `thresholds`; float [N, M], for each entry the number of thresholds[0] above it.
    """
    num_rows, width = thresholds[0].shape
    ordered, order = torch.cat(thresholds, dim=1).sort(dim=1)
    place = torch.searchsorted(ordered, rows, right=True)  # thresholds that are not above the entry: [N, M]
    one = place.new_ones(()).expand(place.shape)
    held = place.new_zeros(num_rows, ordered.shape[1] + 1).scatter_add_(1, place, one)
    below = torch.empty_like(order).scatter_(1, order, held.cumsum(dim=1)[:, :-1])
    left = width - torch.nn.functional.pad((order < width).cumsum(dim=1), (1, 0))  # of thresholds[0] from each place on
    parts = tuple(below[:, start : start + width] for start in range(0, below.shape[1], width))
    return parts, left.to(rows.dtype).gather(1, place)


def _next(values: Tensor) -> Tensor:
    """The next larger number of each, so that `below` includes the value itself."""
    return torch.nextafter(values, torch.full_like(values, torch.inf))


def _other_terms(distances: Tensor, masks: Masks, loss: Loss) -> tuple[list[Tensor], Tensor]:
    """What the positive is held against, float [N, N] over (anchor, negative), and which of them exist: bool [N, N]."""
    if loss.second_negative is None:
        return [distances], masks.different
    second = of_a_third_class if loss.second_negative == OTHER_CLASS else of_the_negatives_class
    apart, exists = second(distances, masks)
    return [distances, apart], masks.different & exists
