"""Tuples of a batch as miners and losses take them: class masks, tensors of distances, and how hard a tuple is.

Easy, semi-hard and hard mean one thing for a triplet, a pair and a quartet. A triplet with margin m is easy where
d_an > d_ap + m, semi-hard where d_ap < d_an <= d_ap + m, and hard where d_an <= d_ap (Schroff et al. 2015, "FaceNet",
section 3.2; the borders as in pytorch-metric-learning's TripletMarginMiner). A quartet is as hard as its triplet. A
pair is as hard as the hardest triplet that holds it, and easy where no triplet does: a pair alone has no order to be
right or wrong about.

Decisions a reader would question:
- Tuples are never listed. All triplets of a batch are a positive [N, P, 1] against a negative [N, 1, N] under a bool
  mask [N, P, N]; so any function that works elementwise is a loss, gradients need no scattered index, and a GPU is not
  asked how many there are. Entries outside `valid` hold 1, so that a loss with a root or a logarithm keeps finite
  gradients there.
- The positives of an anchor stand in a table as wide as the largest class, K - 1 columns, and not in an [N, N] mask:
  triplets then broadcast as [N, K - 1, 1] against [N, 1, N], and a batch of P classes with K images fills the table.
- Its width is the one number that decides a shape. Labels on the CPU give it without waiting for the GPU, so the loop
  may leave them there; everything else follows the distances' device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FILLER = 1.0
"""Distance of tuples that do not exist."""


def common_shape(terms: tuple[Tensor, ...]) -> torch.Size:
    """The shape that tensors of distances broadcast to."""
    shape = torch.broadcast_shapes(*(term.shape for term in terms))  # type: ignore[no-untyped-call] # torch's
    return torch.Size(shape)


@dataclass(frozen=True, kw_only=True)
class Tuples:
    """Tuples of one form; every tensor broadcasts to the shape of `valid`, written [...] here.

    Attributes:
        form: `pair`, `triplet` or `quartet`.
        terms: float [...] with gradients. Pair: distance, and bool `different`. Triplet: anchor-positive and
            anchor-negative. Quartet: the same two, and negative-negative2 or (losses of same-class negatives)
            anchor-negative2.
        valid: bool [...], the tuples that the miner looked at.
        mined: bool [...], those of them that the loss sees.
        hardness_terms: detached anchor-positive and anchor-negative distances that say how hard a tuple is; None: drawn
            pairs, which no triplet holds.
    """

    form: str
    terms: tuple[Tensor, ...]
    valid: Tensor
    mined: Tensor
    hardness_terms: tuple[Tensor, Tensor] | None


@dataclass(frozen=True, kw_only=True)
class Masks:
    """Classes of a batch of N images.

    Attributes:
        labels: int64 [N].
        same, different: bool [N, N]: of one class but not the same image; of two classes.
        positives: int64 [N, K - 1], the other images of each image's class; K is the largest class, at least 2.
        positive_exists: bool [N, K - 1], which entries of `positives` mean something.
    """

    labels: Tensor
    same: Tensor
    different: Tensor
    positives: Tensor
    positive_exists: Tensor


def class_masks(labels: Tensor, *, device: torch.device | None = None) -> Masks:
    """Masks of a batch.

    Args:
        labels: int64 [N], any numbers.
        device: where the distances are; None: where the labels are.
    """
    labels = labels.contiguous()  # searchsorted warns otherwise
    ordered, order = labels.sort(stable=True)
    first = torch.searchsorted(ordered, labels)
    size = torch.searchsorted(ordered, labels, right=True) - first
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(labels), device=labels.device)) - first
    width = max(1, int(size.max()) - 1) if len(labels) else 1
    step = torch.arange(1, width + 1, device=labels.device)
    positives = order[first[:, None] + (rank[:, None] + step) % size[:, None]]  # the next ones of the class, in a ring
    positive_exists = step < size[:, None]
    device = device or labels.device
    labels, positives, positive_exists = (
        each.to(device, non_blocking=True) for each in (labels, positives, positive_exists)
    )
    different = labels[:, None] != labels
    same = (~different).fill_diagonal_(False)
    return Masks(labels=labels, same=same, different=different, positives=positives, positive_exists=positive_exists)


def farthest(distances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Per row the largest distance under the mask, its index, and whether there is any: float, int64, bool [N].

    Where there is none the distance is -inf.
    """
    value, index = distances.masked_fill(~mask, -torch.inf).max(dim=1)
    return value, index, mask.any(dim=1)


def nearest(distances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Per row the smallest distance under the mask, its index, and whether there is any: float, int64, bool [N].

    Where there is none the distance is inf.
    """
    value, index = distances.masked_fill(~mask, torch.inf).min(dim=1)
    return value, index, mask.any(dim=1)


def is_easy(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """d_an > d_ap + m, elementwise: bool."""
    return negative > positive + margin


def is_semi_hard(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """d_ap < d_an <= d_ap + m, elementwise: bool."""
    return (negative > positive) & (negative <= positive + margin)


def is_hard(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """d_an <= d_ap, elementwise, whatever the margin: bool."""
    return negative <= positive


HARDNESS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "easy": is_easy,
    "semi_hard": is_semi_hard,
    "hard": is_hard,
}
