"""The tuples of a batch as a loss takes them: tensors of distances that broadcast together, and a mask.

Decision a reader would question: tuples are never listed. All triplets of a batch are a positive [N, P, 1] against a
negative [N, 1, N] under a bool mask [N, P, N]; so any function that works elementwise is a loss, gradients need no
scattered index, and a GPU is not asked how many there are. Entries outside `valid` hold 1, so that a loss with a root
or a logarithm keeps finite gradients there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FILLER = 1.0
"""Distance of tuples that do not exist."""


def common_shape(terms: tuple[Tensor, ...]) -> torch.Size:
    """The shape that tensors of distances broadcast to."""
    return torch.Size(torch.broadcast_shapes(*(term.shape for term in terms)))  # type: ignore[no-untyped-call] # torch's


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
        order: detached anchor-positive and anchor-negative distances that say how hard a tuple is
            (trainer/objective/hardness.py); None: drawn pairs, which have no order.
    """

    form: str
    terms: tuple[Tensor, ...]
    valid: Tensor
    mined: Tensor
    order: tuple[Tensor, Tensor] | None
