"""How sharp an image is: a share of the images passes a Gaussian of random width.

Decision a reader would question: the two passes are sums of shifted images with a weight for each image, not
convolutions. oneDNN compiles a convolution for each new number of images and each kernel width, and both change with
every batch: twice as long at 28 px, and a third longer at 64 px (one core).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor

SIGMAS_PX = (0.1, 2.0)
"""Narrowest and widest Gaussian at a side of 64 px, as in SimCLR (Chen et al. 2020); other sides in proportion."""


def draw_sigmas(count: int, share: float, side_px: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which of `count` images are blurred, int64 [n], and how far in pixels, float32 [n], both on the CPU."""
    unit = torch.rand(2, count, generator=generator)
    chosen = (unit[0] < share).nonzero().squeeze(1)
    low, high = (sigma * side_px / 64 for sigma in SIGMAS_PX)
    return chosen, low + unit[1, chosen] * (high - low)


def blur(planes: Tensor, sigmas: Tensor) -> Tensor:
    """Gaussian blur of each image by its own standard deviation.

    Args:
        planes: float32 [N, C, H, W].
        sigmas: float32 [N], pixels, above 0, on the CPU; N > 0.

    Returns:
        float32 [N, C, H, W]; the border is repeated outside.
    """
    radius = math.ceil(3 * float(sigmas.max()))
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-(offsets / sigmas[:, None]).square() / 2)
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(planes.device)  # [N, 2 radius + 1]
    for dim, padding in ((3, (radius, radius, 0, 0)), (2, (0, 0, radius, radius))):
        padded, size = F.pad(planes, padding, mode="replicate"), planes.shape[dim]
        planes = torch.zeros_like(planes)
        for tap, weight in enumerate(weights.T):
            planes.addcmul_(padded.narrow(dim, tap, size), weight.view(-1, 1, 1, 1))
    return planes
