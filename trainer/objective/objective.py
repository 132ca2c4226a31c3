"""Objective of training: a batch's vectors to one loss and the numbers that explain it.

Tuples are mined from the batch's classes (trainer/objective/mining.py) or were drawn one by one
(trainer/objective/explicit_tuples.py). All numbers are tensors on the vectors' device, so that nothing waits for it
until the caller reads one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from artifact.distances import DISTANCES
from artifact.losses import Loss
from trainer.objective.distances import distance_matrix, row_by_row
from trainer.objective.explicit_tuples import lay_out_explicit
from trainer.objective.hinge import reduce_hinges
from trainer.objective.mining import mine
from trainer.objective.reduction import PairMeans, Reduced, means_of_matrix, reduce
from trainer.objective.tensors import TENSORS
from trainer.objective.tuples import Tuples, class_masks


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Loss (a scalar with gradients) and statistics (scalars without) of one batch, all of them tensors.

    Attributes:
        loss: float [].
        num_tuples: mined or drawn tuples, int64 [].
        num_active: those with a loss above zero, int64 [].
        share_correct: of the tuples looked at, in the right order (trainer/objective/reduction.py); NaN without any.
        share_easy, share_semi_hard, share_hard: of the same (trainer/objective/tuples.py); they add up to 1. NaN
            without any, and for drawn pairs, which have no order.
        mean_distance, mean_positive, mean_negative: of all pairs of two images, those of one class, those of two; of
            drawn tuples their own pairs. In units of the distance; NaN without any.
    """

    loss: Tensor
    num_tuples: Tensor
    num_active: Tensor
    share_correct: Tensor
    share_easy: Tensor
    share_semi_hard: Tensor
    share_hard: Tensor
    mean_distance: Tensor
    mean_positive: Tensor
    mean_negative: Tensor


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The objective: what is minimised.

    Attributes:
        loss: one of artifact.losses, or a user's own (trainer/objective/own_loss.py).
        distance: a key of artifact.distances.DISTANCES.
        mining: a name in MINERS of the loss's form; not used for drawn tuples.
        margin, margin2, cap: in units of the distance; margin2 and cap of losses that take one.
    """

    loss: Loss
    distance: str
    mining: str
    margin: float
    margin2: float
    cap: float = math.inf

    @property
    def margins(self) -> dict[str, float]:
        """The margins that the loss takes, by name."""
        return self.loss.margins(margin=self.margin, margin2=self.margin2, cap=self.cap)

    def __call__(
        self,
        vectors: Tensor,
        labels: Tensor | None = None,
        *,
        tuples: Tensor | None = None,
        different: Tensor | None = None,
    ) -> Outcome:
        """Reduce one batch.

        Args:
            vectors: float [N, n] of the batch's distinct images; distances are float32 for half precision too.
            labels: int64 [N], what to mine by; not needed with `tuples`. Left on the CPU they spare the GPU a wait.
            tuples: int64 [T, streams], positions in `vectors` of tuples that were drawn.
            different: bool [T], of drawn pairs: True for two classes.

        Raises:
            UsageError: drawn tuples that the loss has no use for, or a user's loss that gives another shape.
        """
        if tuples is not None:
            paired = partial(row_by_row, DISTANCES[self.distance])
            drawn, means = lay_out_explicit(vectors, tuples, loss=self.loss, paired=paired, different=different)
            return outcome_of(self._reduce(drawn), means)
        if labels is None:
            raise ValueError("labels or tuples are needed")
        distances = distance_matrix(DISTANCES[self.distance], vectors)
        masks = class_masks(labels, device=distances.device)
        if self.mining == "all" and self.loss.hinges:
            reduced = reduce_hinges(distances, masks, loss=self.loss, margins=self.margins)
        else:
            reduced = self._reduce(mine(distances, masks, loss=self.loss, miner=self.mining, margin=self.margin))
        return outcome_of(reduced, means_of_matrix(distances, masks))

    def _reduce(self, tuples: Tuples) -> Reduced:
        values = self.loss.formula(TENSORS, *tuples.terms, **self.margins)
        return reduce(tuples, values, margin=self.margin)


def outcome_of(reduced: Reduced, means: PairMeans) -> Outcome:
    """What was reduced, and the means of its pairs."""
    return Outcome(
        loss=reduced.loss,
        num_tuples=reduced.num_tuples,
        num_active=reduced.num_active,
        share_correct=reduced.share_correct,
        share_easy=reduced.share_easy,
        share_semi_hard=1 - reduced.share_easy - reduced.share_hard,
        share_hard=reduced.share_hard,
        mean_distance=means.every,
        mean_positive=means.positive,
        mean_negative=means.negative,
    )
