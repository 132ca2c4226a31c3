"""All triplets or quartets of a batch under a hinge, without a tensor that has an entry for each.

Where it is active, max(0, d_ap - d_an + m) is linear, so the sum over all triplets is
sum_ap c_ap (d_ap + m) - sum_an c_an d_an, with c the number of active triplets that hold the pair. The counts come from
a sorted search of every d_an among its anchor's few d_ap + m: N^2 log K steps and N^2 memory, where the triplets are
N^2 (K - 1). A quartet's loss is the sum of two such hinges.

Decisions a reader would question:
- Two ways to one number. The other (trainer/reduction.py) takes any loss and any mask; this one is there because
  batch-all with a hinge is the default, and its cost hardly grows with K: see benchmarks/mining.py.
  tests/test_objective.py holds the two equal.
- The two sums are large and nearly equal late in training, so they are added up in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.losses import OTHER_CLASS, Loss
from trainer.masks import Masks
from trainer.quartet_mining import of_a_third_class, of_the_negatives_class
from trainer.reduction import Reduced
from trainer.tuples import FILLER


def reduce_hinges(distances: Tensor, masks: Masks, *, loss: Loss, margins: dict[str, float]) -> Reduced:
    """The loss of all tuples of a batch, as `reduce` of the miner `all` gives it.

    Args:
        distances: float [N, N].
        masks: of the same batch.
        loss: one with `hinges`.
        margins: value of each of its margins, in units of the distance.
    """
    positive = distances.where(masks.same, FILLER).gather(1, masks.positives)  # [N, K - 1]
    others, exists = _other_terms(distances, masks, loss)
    threshold = positive.detach().where(masks.has_positive, -torch.inf)
    rows = [other.detach().where(exists, torch.inf) for other in others]  # each [N, N]
    sizes = [margins[name] for name in loss.hinges]

    above = threshold + sizes[0]
    counts, per_negative = count_below(rows[0], (above, _next(above), _next(threshold)))
    active, within, hard = (count.sum() for count in counts)
    per_positive, reached = counts[0], counts[0].double() * sizes[0]
    total = -(others[0].double() * per_negative).sum()
    wrong = hard
    for other, row, size in zip(others[1:], rows[1:], sizes[1:], strict=True):
        (count,), per_negative = count_below(row, (threshold + size,))
        total = total - (other.double() * per_negative).sum()
        per_positive, reached = per_positive + count, reached + count.double() * size
        (either,), _ = count_below(torch.minimum(rows[0] - sizes[0], row - size), (threshold,))
        (misplaced,), _ = count_below(torch.minimum(rows[0], row), (_next(threshold),))
        active, wrong = either.sum(), misplaced.sum()
    total = total + (positive.double() * per_positive).sum() + reached.sum()

    num_tuples = (masks.has_positive.sum(dim=1) * exists.sum(dim=1)).sum()
    return Reduced(
        loss=(total / active.clamp(min=1)).to(distances.dtype), num_tuples=num_tuples, num_active=active,
        share_correct=1 - wrong / num_tuples, share_easy=1 - within / num_tuples, share_hard=hard / num_tuples,
    )  # fmt: skip


def count_below(rows: Tensor, thresholds: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
    """How many entries of each row lie below each threshold of that row, and the first thresholds above each entry.

    Args:
        rows: float [N, M]; inf is below nothing.
        thresholds: float [N, K] each; -inf has nothing below it.

    Returns:
        int64 [N, K] for each of `thresholds`; int64 [N, M], for each entry the number of thresholds[0] above it.
    """
    num_rows, width = thresholds[0].shape
    ordered, order = torch.cat(thresholds, dim=1).sort(dim=1)
    place = torch.searchsorted(ordered, rows, right=True)  # thresholds that are not above the entry: [N, M]
    held = place.new_zeros(num_rows, ordered.shape[1] + 1).scatter_add_(1, place, torch.ones_like(place))
    below = torch.empty_like(order).scatter_(1, order, held.cumsum(dim=1)[:, :-1])
    first = torch.nn.functional.pad((order < width).cumsum(dim=1), (1, 0))  # of thresholds[0] up to each place
    return below.split(width, dim=1), width - first.gather(1, place)


def _next(values: Tensor) -> Tensor:
    """The next larger number of each, so that `below` includes the value itself."""
    return torch.nextafter(values, torch.full_like(values, torch.inf))


def _other_terms(distances: Tensor, masks: Masks, loss: Loss) -> tuple[list[Tensor], Tensor]:
    """What the positive is held against, float [N, N] over (anchor, negative), and which of them exist: bool [N, N]."""
    negative = distances.where(masks.different, FILLER)
    if loss.second_negative is None:
        return [negative], masks.different
    second = of_a_third_class if loss.second_negative == OTHER_CLASS else of_the_negatives_class
    apart, exists = second(distances, masks)
    return [negative, apart], masks.different & exists
