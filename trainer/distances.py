"""Pairwise distance matrices in torch, with finite gradients where two vectors are equal; smaller is closer.

The same definitions as artifact/distances.py, which downstream code computes in numpy. A new distance is one function
here, one there, and one line in each DISTANCES.

Decision a reader would question: euclidean takes `torch.cdist` without its matrix-product shortcut. The shortcut loses
about three digits near zero, where the hardest positives live, and `sqrt` of a clamped Gram matrix gives NaN gradients
at identical vectors; direct cdist gives zero gradients there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor

from artifact.distances import COSINE_EPSILON


def euclidean(vectors: Tensor) -> Tensor:
    """Lengths of all differences: float [N, n] -> float [N, N]; gradient 0 between equal vectors."""
    return torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")


def squared_euclidean(vectors: Tensor) -> Tensor:
    """Sums of squared differences: float [N, n] -> float [N, N]."""
    return (vectors[:, None, :] - vectors[None, :, :]).square().sum(dim=-1)


def cosine(vectors: Tensor) -> Tensor:
    """1 - cosine similarity, in [0, 2]: float [N, n] -> float [N, N]; a zero vector is at distance 1 from all."""
    unit = F.normalize(vectors, dim=-1, eps=COSINE_EPSILON)
    return 1.0 - unit @ unit.T


DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {
    "euclidean": euclidean,
    "squared_euclidean": squared_euclidean,
    "cosine": cosine,
}

NORMALIZED_BOUNDS: dict[str, float] = {"euclidean": 2.0, "squared_euclidean": 4.0, "cosine": 2.0}
"""The largest distance between two unit vectors; no margin above it can ever be met."""


def largest_distance(distance: str, *, normalized: bool) -> float | None:
    """The bound of a distance, or None where there is none; cosine is bounded whether vectors are normalised or not."""
    return NORMALIZED_BOUNDS[distance] if normalized or distance == "cosine" else None
