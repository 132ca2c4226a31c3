"""From a batch's vectors to one loss and the numbers that explain it.

Tuples are mined from the batch's classes (trainer/objective/mining.py) or were drawn one by one (trainer/objective/explicit_tuples.py). All
numbers are tensors on the vectors' device, so that nothing waits for it until the caller reads one.

Decision a reader would question: `spread` is relative to the vectors' length and `mean_distance` is not. One point for
all images, wherever it lies, has spread 0; a cloud that shrinks around the origin keeps its spread and loses its
distances. A guard against collapse needs both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from trainer.objective.distances import DISTANCES, PAIRED_DISTANCES
from trainer.objective.explicit_tuples import lay_out_explicit
from trainer.objective.hinge import reduce_hinges
from trainer.objective.losses import LOSSES, Loss
from trainer.objective.masks import class_masks
from trainer.objective.mining import mine
from trainer.objective.own_loss import check_values, find_loss
from trainer.objective.pair_means import PairMeans, means_of_matrix
from trainer.objective.reduction import Reduced, reduce
from trainer.objective.tuples import Tuples


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Loss (a scalar with gradients) and statistics (scalars without) of one batch, all of them tensors.

    Attributes:
        loss: float [].
        num_tuples: mined or drawn tuples, int64 [].
        num_active: those with a loss above zero, int64 [].
        share_correct: of the tuples looked at, in the right order (trainer/objective/reduction.py); NaN without any.
        share_easy, share_semi_hard, share_hard: of the same (trainer/objective/hardness.py); they add up to 1. NaN without any,
            and for drawn pairs, which have no order.
        mean_distance, mean_positive, mean_negative: of all pairs of two images, those of one class, those of two; of
            drawn tuples their own pairs. In units of the distance; NaN without any.
        spread: root mean square distance of the vectors to their mean over their root mean square length, in [0, 1];
            0 where all are one point.
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
    spread: Tensor


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What to minimise.

    Attributes:
        loss: a key of LOSSES or a user's own `module:function`.
        distance: a key of DISTANCES.
        mining: a name in MINERS of the loss's form; not used for drawn tuples.
        margin, margin2: in units of the distance; margin2 of losses that take one.
    """

    loss: str
    distance: str
    mining: str
    margin: float
    margin2: float

    @cached_property
    def found(self) -> Loss:
        """The loss of that name; raises UsageError as find_loss does."""
        return find_loss(self.loss)

    @property
    def margins(self) -> dict[str, float]:
        """The margins that the loss takes, by name."""
        values = {"margin": self.margin, "margin2": self.margin2}
        return {name: values[name] for name in self.found.margin_names}

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
            paired = PAIRED_DISTANCES[self.distance]
            drawn, means = lay_out_explicit(vectors, tuples, loss=self.found, paired=paired, different=different)
            return _outcome(self._reduce(drawn), means, vectors)
        if labels is None:
            raise ValueError("labels or tuples are needed")
        distances = DISTANCES[self.distance](vectors)
        masks = class_masks(labels, device=distances.device)
        if self.mining == "all" and self.found.hinges:
            reduced = reduce_hinges(distances, masks, loss=self.found, margins=self.margins)
        else:
            reduced = self._reduce(mine(distances, masks, loss=self.found, miner=self.mining, margin=self.margin))
        return _outcome(reduced, means_of_matrix(distances, masks), vectors)

    def _reduce(self, tuples: Tuples) -> Reduced:
        values = self.found.function(*tuples.terms, **self.margins)
        if self.loss not in LOSSES:
            check_values(values, tuples.valid.shape, name=self.loss)
        return reduce(tuples, values, margin=self.margin)


def spread(vectors: Tensor) -> Tensor:
    """Root mean square distance to the mean vector over root mean square length: float [N, n] -> float [] in [0, 1].

    0 where all vectors are equal, zero vectors included.
    """
    points = vectors.float()
    squares = points.square().sum()
    apart = (points - points.mean(dim=0)).square().sum()
    return torch.where(squares > 0, apart / squares, 0.0).clamp(max=1.0).sqrt()


def _outcome(reduced: Reduced, means: PairMeans, vectors: Tensor) -> Outcome:
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
        spread=spread(vectors.detach()),
    )
