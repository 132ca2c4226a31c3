"""Objective of two towers: vectors of a batch's images and rows of attributes to one loss and what explains it.

Tuples are laid out as positions in both towers' vectors, one behind the other, so that every loss of pairs and triplets
serves as it is (trainer/objective). The softmax loss has one logarithm an anchor:

    log(1 + sum_n exp((d_ap - d_an) / t)),    p the anchor's own, n all that do not fit it

which is the cross entropy of finding the own one among them. Anchors are the images, and both ways the rows too.

Decisions a reader would question:
- Every image has its own row as positive and all rows of the batch that do not fit it as negatives, flipped ones among
  them: they cost a pass through a small tower. `mined` takes the nearest of them instead.
- Rows of other images that fit the own one are neither positive nor negative: they say nothing new.
- Statistics (correct, easy, hard) are of the images' triplets, whatever the loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from artifact.distances import DISTANCES
from artifact.losses.loss import TRIPLET
from artifact.losses.softmax import SOFTMAX
from trainer.objective.distances import distance_matrix
from trainer.objective.objective import Objective, Outcome, outcome_of
from trainer.objective.reduction import means_of_triplets, reduce
from trainer.objective.tuples import Tuples


@dataclass(frozen=True, kw_only=True)
class TowersObjective:
    """The objective of a run with two towers.

    Attributes:
        of_tuples: loss, distance and margins.
        num_streams: 2 of siamese pairs, 3 of triplets.
        is_mined: of the negatives of each anchor only the nearest.
        both_ways: rows are anchors too.
        temperature: of the softmax loss, in units of the distance; None of the others.
    """

    of_tuples: Objective
    num_streams: int
    is_mined: bool
    both_ways: bool
    temperature: float | None

    def __call__(self, images: Tensor, rows: Tensor, fits: Tensor) -> Outcome:
        """Reduce one batch.

        Args:
            images: float [N, n], vectors of the images.
            rows: float [N + F, n], vectors of their own rows in the fits order, then of flipped ones.
            fits: bool [N, N + F], which rows fit each image (trainer/towers/candidates.py).
        """
        if self.of_tuples.loss.name == SOFTMAX.name:
            return self._softmax(images, rows, fits)
        vectors, count = torch.cat([images, rows]), len(images)
        with torch.no_grad():
            apart = self._distances(images, rows)
            tuples = [_tuples(apart, fits, anchors=0, others=count, is_mined=self.is_mined)]
            if self.both_ways:
                own = fits[:, :count]
                tuples.append(_tuples(apart[:, :count].T, own.T, anchors=count, others=0, is_mined=self.is_mined))
        triplets = torch.cat(tuples)
        if self.num_streams == 3:
            return self.of_tuples(vectors, tuples=triplets)
        own = torch.arange(count, device=vectors.device)
        alike = torch.stack([own, own + count], dim=1)
        pairs = torch.cat([alike, triplets[:, [0, 2]]])
        different = torch.arange(len(pairs), device=vectors.device) >= count
        return self.of_tuples(vectors, tuples=pairs, different=different)

    def _distances(self, images: Tensor, rows: Tensor) -> Tensor:
        """float32 [N, N + F]."""
        count = len(images)
        return distance_matrix(DISTANCES[self.of_tuples.distance], torch.cat([images, rows]))[:count, count:]

    def _softmax(self, images: Tensor, rows: Tensor, fits: Tensor) -> Outcome:
        assert self.temperature is not None
        count = len(images)
        apart = self._distances(images, rows)
        values = _cross_entropy(apart, fits, self.temperature)
        if self.both_ways:
            values = torch.cat([values, _cross_entropy(apart[:, :count].T, fits[:, :count].T, self.temperature)])
        with torch.no_grad():  # every image, its own row, and each row that does not fit: nothing is gathered
            own, others, differ = apart.detach().diagonal()[:, None], apart.detach(), ~fits
            terms = (own, others)
            every = Tuples(form=TRIPLET, terms=terms, valid=differ, mined=differ, hardness_terms=terms)
            told = reduce(every, own - others, margin=self.temperature)
            means = means_of_triplets(own, others, differ)
        return outcome_of(replace(told, loss=values.mean()), means)


def _cross_entropy(apart: Tensor, fits: Tensor, temperature: float) -> Tensor:
    """The softmax loss of each anchor, whose own is at its own place: float [N, M], bool [N, M] -> float [N]."""
    count = len(apart)
    own = torch.eye(count, apart.shape[1], dtype=torch.bool, device=apart.device)
    logits = (-apart / temperature).masked_fill(fits & ~own, -torch.inf)
    return torch.logsumexp(logits, dim=1) - logits.diagonal()


def _tuples(apart: Tensor, fits: Tensor, *, anchors: int, others: int, is_mined: bool) -> Tensor:
    """Triplets of each anchor, its own, and those that differ: int64 [T, 3], positions in both towers' vectors.

    Args:
        apart: float [N, M], distances of the anchors to all that they are told from; each one's own at its own place.
        fits: bool [N, M], what is no negative.
        anchors, others: where the vectors of either begin.
        is_mined: the nearest that differs alone.
    """
    if is_mined:
        nearest, column = apart.masked_fill(fits, torch.inf).min(dim=1)
        anchor = torch.arange(len(apart), device=apart.device)[nearest < torch.inf]
        column = column[anchor]
    else:
        anchor, column = torch.nonzero(~fits, as_tuple=True)
    return torch.stack([anchor + anchors, anchor + others, column + others], dim=1)
