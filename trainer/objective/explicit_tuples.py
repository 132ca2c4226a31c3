"""Tuples that were drawn one by one, or come from a table: only their own distances, from vectors computed once.

A tuple is two, three or four positions in the batch's distinct images, in the order of its kind's streams. A loss of
pairs takes (a, p) and (a, n) of a triplet, a loss of triplets both (a, p, n) and (a, p, n2) of a quartet. Gradients are
those of one branch per stream: autograd adds up what an image gets from all of its tuples.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from artifact.errors import UsageError
from artifact.losses import Loss
from artifact.losses.loss import OTHER_CLASS, PAIR, QUARTET, TRIPLET
from trainer.objective.reduction import PairMeans, means_of_pairs
from trainer.objective.tuples import Tuples, common_shape


def lay_out_explicit(
    vectors: Tensor,
    tuples: Tensor,
    *,
    loss: Loss,
    paired: Callable[[Tensor, Tensor], Tensor],
    different: Tensor | None = None,
) -> tuple[Tuples, PairMeans]:
    """The distances of drawn tuples as a loss takes them, and the means of what was computed.

    Args:
        vectors: float [N, n], of the distinct images.
        tuples: int64 [T, 2 | 3 | 4], positions in `vectors`.
        loss: from find_loss; decides which of a tuple's distances are computed.
        paired: distance of two rows, float [T, n] twice -> float [T].
        different: bool [T], of pairs only: True for two classes.

    Raises:
        UsageError: tuples that the loss has no use for, or pairs without `different`.
    """
    num_streams = tuples.shape[1]
    fewest = loss.num_images
    if not fewest <= num_streams <= 4:
        expected = f"{fewest} to 4 images each" if fewest < 4 else "4 images each"
        raise UsageError(f"tuples for a loss of {loss.form}s", expected=expected, got=str(num_streams))
    images = [vectors.index_select(0, tuples[:, stream]) for stream in range(num_streams)]
    if num_streams == 2:
        if different is None:
            raise UsageError("pairs", expected="different, a bool for each", got="none")
        apart = paired(*images)
        return _tuples(PAIR, apart, different), means_of_pairs(apart, different)
    anchor, *others = images
    positive, *negatives = (paired(anchor, other)[:, None] for other in others)
    negative = torch.cat(negatives, dim=1)  # [T, 1], of quartets [T, 2]
    apart = torch.cat([positive, negative], dim=1)
    differ = torch.arange(num_streams - 1, device=apart.device).expand(apart.shape) > 0
    means = means_of_pairs(apart, differ)
    if loss.form == PAIR:
        return _tuples(PAIR, apart, differ), means
    if loss.form == TRIPLET:
        return _tuples(TRIPLET, positive, negative), means
    third = paired(images[2], images[3])[:, None] if loss.second_negative == OTHER_CLASS else negative[:, 1:]
    return _tuples(QUARTET, positive, negative[:, :1], third), means


def _tuples(form: str, *terms: Tensor) -> Tuples:
    every = torch.ones(common_shape(terms), dtype=torch.bool, device=terms[0].device)
    hardness_terms = None if form == PAIR else (terms[0].detach(), terms[1].detach())
    return Tuples(form=form, terms=terms, valid=every, mined=every, hardness_terms=hardness_terms)
