"""Who is of whose class in a batch: the masks and the table of class mates that every miner starts from.

Decisions a reader would question:
- The positives of an anchor stand in a table as wide as the largest class, K - 1 columns, and not in an [N, N] mask:
  triplets then broadcast as [N, K - 1, 1] against [N, 1, N], and a batch of P classes with K images fills the table.
- Its width is the one number that decides a shape. Labels on the CPU give it without waiting for the GPU, so the loop
  may leave them there; everything else follows the distances' device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Masks:
    """Classes of a batch of N images.

    Attributes:
        labels: int64 [N].
        same, different: bool [N, N]: of one class but not the same image; of two classes.
        positives: int64 [N, K - 1], the other images of each image's class; K is the largest class, at least 2.
        has_positive: bool [N, K - 1], which entries of `positives` mean something.
    """

    labels: Tensor
    same: Tensor
    different: Tensor
    positives: Tensor
    has_positive: Tensor


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
    has_positive = step < size[:, None]
    device = device or labels.device
    labels, positives, has_positive = (x.to(device, non_blocking=True) for x in (labels, positives, has_positive))
    different = labels[:, None] != labels
    same = (~different).fill_diagonal_(False)
    return Masks(labels=labels, same=same, different=different, positives=positives, has_positive=has_positive)


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
