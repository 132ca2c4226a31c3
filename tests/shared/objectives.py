"""Objectives by the names of loss and distance, vectors for them, and their gradients."""

import torch

from artifact.losses import LOSSES
from tests.shared.plain_objective import CAP, MARGIN, MARGIN2
from trainer.objective.objective import Objective


def make_objective(
    loss: str,
    *,
    distance: str = "euclidean",
    mining: str = "all",
    margin: float = MARGIN,
    margin2: float = MARGIN2,
    cap: float = CAP,
) -> Objective:
    """The objective of one of our losses, with the margins of the plain loops."""
    return Objective(loss=LOSSES[loss], distance=distance, mining=mining, margin=margin, margin2=margin2, cap=cap)


def random_vectors(size: int = 8, *, seed: int = 0, dim: int = 3) -> torch.Tensor:
    """float64 [size, dim] that takes gradients."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, dim, generator=generator, dtype=torch.float64).requires_grad_()


def gradient_of(loss: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """The gradient of a loss, of the shape of its vectors."""
    return torch.autograd.grad(loss, vectors)[0]
