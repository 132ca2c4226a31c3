"""Filters over each pixel's neighbourhood, for a share of the images: thicker or thinner strokes, and blur.

Decisions a reader would question:
- Nobody is asked whether strokes are dark or light. Half of the changed images go towards the neighbourhood's maximum
  (thicker light strokes, thinner dark ones) and half towards its minimum, so both kinds of drawing get both changes.
- The maximum is taken along one axis, then along the other, by `torch.maximum` of shifted views: a fortieth of the time
  of `max_pool2d`, which also keeps indices (28 px, one core).
- The two passes of a blur are sums of shifted images with a weight for each image, not convolutions. oneDNN compiles a
  convolution for each new number of images and each kernel width, and both change with every batch: twice as long at
  28 px, and a third longer at 64 px (one core).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor

SIGMAS_PX = (0.1, 2.0)
"""Narrowest and widest Gaussian at a side of 64 px, as in SimCLR (Chen et al. 2020); other sides in proportion."""


def draw_amounts(count: int, share: float, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which of `count` images change, int64 [n], and how far each goes, float32 [n] in [-1, 1), both on the CPU."""
    unit = torch.rand(2, count, generator=generator)
    chosen = (unit[0] < share).nonzero().squeeze(1)
    return chosen, unit[1, chosen] * 2 - 1


def thicken(planes: Tensor, amounts: Tensor) -> Tensor:
    """Blend each image with the maximum (amount > 0) or minimum (amount < 0) of each pixel's neighbourhood.

    Args:
        planes: float32 [N, C, H, W].
        amounts: float32 [N] in [-1, 1]; 0 changes nothing, 1 is the dilated image itself.

    Returns:
        float32 [N, C, H, W]. The neighbourhood is 3x3 up to a side of 95 px and grows with it: 5x5, 7x7 and so on.
    """
    amounts = amounts.to(planes.device).view(-1, 1, 1, 1)
    sign = torch.where(amounts < 0, -1.0, 1.0)  # the minimum is the maximum of the negative
    grown = planes * sign
    for _ in range(max(1, round(min(planes.shape[2:]) / 64))):
        grown = _neighbours_maximum(grown)
    return torch.lerp(planes, grown * sign, amounts.abs())


def _neighbours_maximum(planes: Tensor) -> Tensor:
    """Maximum over 3x3 positions, those outside left out."""
    for dim in (2, 3):
        size = planes.shape[dim]
        wider = planes.clone()
        for there, here in ((slice(0, size - 1), slice(1, size)), (slice(1, size), slice(0, size - 1))):
            target = wider[:, :, here] if dim == 2 else wider[..., here]
            source = planes[:, :, there] if dim == 2 else planes[..., there]
            torch.maximum(target, source, out=target)
        planes = wider
    return planes


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
