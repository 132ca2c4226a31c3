"""Distances between vectors in torch, with finite gradients where two vectors are equal; smaller is closer.

The same definitions as artifact/distances.py, which downstream code computes in numpy. A new distance is two functions
here (all pairs of a batch; row against row), one there, and one line in each dict.

Decisions a reader would question:
- All pairs go through one matrix product in float64, of vectors moved to their mean. In float32 that product loses the
  digits of small distances, where the hardest positives live, and `torch.cdist` without it is eight times slower at
  N = 512, n = 128 (and on a GPU its gradient takes N x N x n floats). In float64 a distance is right to float32's last
  digits, and no autocast or TF32 setting can coarsen it.
- Two vectors nearer than float32 can tell apart are at distance 0 exactly, with gradient 0: `sqrt` has none there.
- Vectors of half precision give float32 distances.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from artifact.distances import COSINE_EPSILON

_NOISE = 2e-13
"""Squared distances below this share of the squared length are rounding, of float64 products and float32 vectors."""


def euclidean(vectors: Tensor) -> Tensor:
    """Lengths of all differences: float [N, n] -> float [N, N]; gradient 0 between equal vectors."""
    return _apart(vectors, squared=False)


def squared_euclidean(vectors: Tensor) -> Tensor:
    """Sums of squared differences: float [N, n] -> float [N, N]."""
    return _apart(vectors, squared=True)


def cosine(vectors: Tensor) -> Tensor:
    """1 - cosine similarity, in [0, 2]: float [N, n] -> float [N, N]; a zero vector is at distance 1 from all."""
    unit: Tensor = F.normalize(vectors.double(), dim=-1, eps=COSINE_EPSILON)
    return (1.0 - unit @ unit.T).to(_result(vectors))


def paired_euclidean(left: Tensor, right: Tensor) -> Tensor:
    """Lengths of the differences of two rows: float [T, n] twice -> float [T]; gradient 0 between equal vectors."""
    lengths: Tensor = torch.linalg.vector_norm(left.to(_result(left)) - right.to(_result(right)), dim=-1)
    return lengths


def paired_squared_euclidean(left: Tensor, right: Tensor) -> Tensor:
    """Sums of squared differences of two rows: float [T, n] twice -> float [T]."""
    return (left.to(_result(left)) - right.to(_result(right))).square().sum(dim=-1)


def paired_cosine(left: Tensor, right: Tensor) -> Tensor:
    """1 - cosine similarity of two rows: float [T, n] twice -> float [T]; 1 where either is a zero vector."""
    units = [F.normalize(side.double(), dim=-1, eps=COSINE_EPSILON) for side in (left, right)]
    return (1.0 - (units[0] * units[1]).sum(dim=-1)).to(_result(left))


DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {
    "euclidean": euclidean,
    "squared_euclidean": squared_euclidean,
    "cosine": cosine,
}

PAIRED_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "euclidean": paired_euclidean,
    "squared_euclidean": paired_squared_euclidean,
    "cosine": paired_cosine,
}

NORMALIZED_BOUNDS: dict[str, float] = {"euclidean": 2.0, "squared_euclidean": 4.0, "cosine": 2.0}
"""The largest distance between two unit vectors; no margin above it can ever be met."""


def largest_distance(distance: str, *, normalized: bool) -> float | None:
    """The bound of a distance, or None where there is none; cosine is bounded whether vectors are normalised or not."""
    return NORMALIZED_BOUNDS[distance] if normalized or distance == "cosine" else None


def _result(vectors: Tensor) -> torch.dtype:
    return torch.float64 if vectors.dtype == torch.float64 else torch.float32


def _apart(vectors: Tensor, *, squared: bool) -> Tensor:
    apart: Tensor = _Apart.apply(vectors, squared)  # type: ignore[no-untyped-call]
    return apart


class _Apart(torch.autograd.Function):
    """All euclidean distances or their squares; the gradient is one more matrix product.

    With d = distance and g = the gradient of d_ij, w = g / d (0 where d is 0; 2 g for squares) and s = w + w', the
    gradient of x_i is sum_j s_ij (x_i - x_j).
    """

    @staticmethod
    def forward(ctx: FunctionCtx, vectors: Tensor, squared: bool) -> Tensor:
        points = vectors.double()
        points = points - points.mean(dim=0)
        lengths = points.square().sum(dim=1)
        apart = (lengths[:, None] + lengths).addmm_(points, points.T, alpha=-2)
        apart.masked_fill_(apart < _NOISE * lengths[:, None], 0.0)  # so near, both lengths are one
        result = (apart if squared else apart.sqrt_()).to(_result(vectors))
        ctx.save_for_backward(points, *([] if squared else [result]))
        ctx.dtype = vectors.dtype  # type: ignore[attr-defined] # torch's way to keep what is no tensor
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        points, *euclidean = ctx.saved_tensors
        weights = (gradient / euclidean[0]).masked_fill_(euclidean[0] == 0, 0.0) if euclidean else 2 * gradient
        weights = (weights + weights.T).double()
        return (weights.sum(dim=1, keepdim=True) * points - weights @ points).to(ctx.dtype), None
