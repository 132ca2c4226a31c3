"""Distances in training: all pairs of a batch, and row against row, for any distance of artifact/distances.

A new distance needs nothing here: its formula runs on tensors. Those that a matrix product gives (`product`) take it.

Decisions a reader would question:
- All pairs go through one matrix product in float64, of vectors moved to their mean. In float32 that product loses the
  digits of small distances, where the hardest positives live, and `torch.cdist` without it is eight times slower at
  N = 512, n = 128 (and on a GPU its gradient takes N x N x n floats). In float64 a distance is right to float32's last
  digits, and no autocast or TF32 setting can coarsen it.
- Two vectors nearer than float32 can tell apart are at distance 0 exactly, with gradient 0: `sqrt` has none there.
- Vectors of half precision give float32 distances.
- A distance without a product costs N x N x n numbers for its pairs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from artifact.distances import Distance
from artifact.distances.cosine import COSINE_EPSILON
from artifact.distances.distance import COSINES, LENGTHS, SQUARES
from trainer.objective.tensors import TENSORS

_NOISE = 2e-13
"""Squared distances below this share of the squared length are rounding, of float64 products and float32 vectors."""


def distance_matrix(distance: Distance, vectors: Tensor) -> Tensor:
    """Distances of all vectors to all: float [N, n] -> float32 [N, N], of float64 vectors float64.

    Gradients are finite where vectors are equal or 0.
    """
    if distance.product in (SQUARES, LENGTHS):
        apart: Tensor = _Apart.apply(vectors, distance.product == SQUARES)  # type: ignore[no-untyped-call]
        return apart
    if distance.product == COSINES:
        unit: Tensor = F.normalize(vectors.double(), dim=-1, eps=COSINE_EPSILON)
        return (1.0 - unit @ unit.T).to(_result(vectors))
    return row_by_row(distance, vectors[:, None], vectors)


def row_by_row(distance: Distance, left: Tensor, right: Tensor) -> Tensor:
    """Distances over the last axis: float [..., n] twice, which broadcast -> float32 [...], of float64 ones float64."""
    result = _result(left)
    dtype = torch.float64 if distance.in_float64 else result
    apart: Tensor = distance.between(TENSORS, left.to(dtype), right.to(dtype)).to(result)
    return apart


def _result(vectors: Tensor) -> torch.dtype:
    return torch.float64 if vectors.dtype == torch.float64 else torch.float32


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
