"""From a batch's vectors to one loss and the numbers that explain it.

Decisions a reader would question:
- The mean is over tuples with a loss above zero: zeros would dilute the few informative tuples more and more while
  training goes well. That holds the loss near the margin by construction, so % active and % correct stand beside it.
- Of pairs, the means of same and of different pairs are added: in a balanced batch different pairs are P times more.
- `correct` of pairs is the mean of two shares, same pairs nearer and different pairs farther than half the margin, so a
  network that calls everything different reads 50 % and not 90 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.distances import DISTANCES
from trainer.losses import LOSSES, PAIR, QUARTET
from trainer.mining import Tuples, mine


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What to minimise; names are keys of DISTANCES, MINERS and LOSSES, margins in units of the distance."""

    loss: str
    distance: str
    mining: str
    margin: float
    margin2: float

    def __call__(self, vectors: Tensor, labels: Tensor) -> Outcome:
        """Mine and reduce one batch: vectors float32 [N, n], labels int64 [N]."""
        distances = DISTANCES[self.distance](vectors)
        tuples = mine(distances, labels, form=LOSSES[self.loss].form, miner=self.mining)
        values = self.values(tuples)
        return Outcome(
            loss=reduce(tuples, values),
            num_tuples=len(tuples),
            num_active=(values.detach() > 0).sum(),
            share_correct=share_correct(tuples, margin=self.margin),
            mean_distance=distances.detach().mean(),
        )

    def values(self, tuples: Tuples) -> Tensor:
        """Loss of each tuple: float [T]."""
        margins = {"margin": self.margin} | ({"margin2": self.margin2} if tuples.form == QUARTET else {})
        return LOSSES[self.loss].function(*tuples.terms, **margins)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Loss (a scalar with gradients) and statistics (scalars without) of one batch."""

    loss: Tensor
    num_tuples: int
    num_active: Tensor
    share_correct: Tensor
    mean_distance: Tensor


def _mean_active(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of the values above zero under the mask; 0, still with a gradient path, where there is none."""
    if mask is not None:
        values = values[mask]
    return values.sum() / (values.detach() > 0).sum().clamp(min=1)


def reduce(tuples: Tuples, values: Tensor) -> Tensor:
    """One loss from the values of the tuples: float [T] -> float []."""
    if tuples.form == PAIR:
        different = tuples.terms[1]
        return _mean_active(values, ~different) + _mean_active(values, different)
    return _mean_active(values)


def share_correct(tuples: Tuples, *, margin: float) -> Tensor:
    """Share of tuples in the right order, in [0, 1]: float []; NaN without tuples.

    Triplets: d_ap < d_an. Quartets: d_ap below both d_an and d_n1n2. Pairs: see the module docstring.
    """
    if tuples.form == PAIR:
        distance, different = tuples.terms[0].detach(), tuples.terms[1]
        right = torch.where(different, distance > margin / 2, distance <= margin / 2).float()
        return (right[different].mean() + right[~different].mean()) / 2
    positive, *others = (term.detach() for term in tuples.terms)
    return (positive < torch.stack(others).amin(dim=0)).float().mean()
