"""Light random changes of a whole batch at once: rotation, shift, scale, mirror.

One affine map per image and one `grid_sample` for the batch: 1 to 2 % of a Conv4 step, where a per-image pipeline costs
more than the step itself. The defaults suit a plain folder: small moves that keep digits, products and faces what they
are. Mirroring is off, because letters, digits and left shoes are not their mirror images.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor

from trainer.settings import AugmentConfig


def augment(images: Tensor, config: AugmentConfig, *, generator: torch.Generator) -> Tensor:
    """Change every image of a batch by its own random affine map; what comes from outside repeats the border.

    Args:
        images: uint8 [N, H, W, 3].
        config: ranges; all zero and no flip returns the batch as it is.
        generator: the only source of randomness (on the CPU).

    Returns:
        uint8 [N, H, W, 3].
    """
    if not config.changes_pixels:
        return images
    count, height, width = images.shape[:3]
    maps = affine_maps(count, config, aspect=width / height, generator=generator).to(images.device)
    grid = F.affine_grid(maps, [count, 3, height, width], align_corners=False)
    planes = images.permute(0, 3, 1, 2).float()
    moved = F.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return moved.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def affine_maps(count: int, config: AugmentConfig, *, aspect: float, generator: torch.Generator) -> Tensor:
    """Random maps from output to input positions in [-1, 1] coordinates: float32 [N, 2, 3]; aspect = width / height."""
    angle, log_scale, shift_x, shift_y, mirror = torch.rand(5, count, generator=generator) * 2 - 1
    angle = angle * math.radians(config.rotate_deg)
    factor = torch.exp(log_scale * math.log1p(config.scale))
    cos, sin = torch.cos(angle) * factor, torch.sin(angle) * factor
    sign = torch.where(mirror < 0, -1.0, 1.0) if config.flip else torch.ones(count)
    # Coordinates are stretched by the aspect, so a plain rotation matrix would shear images that are not square.
    row_x = torch.stack([cos * sign, -sin / aspect, shift_x * 2 * config.translate], dim=1)
    row_y = torch.stack([sin * aspect * sign, cos, shift_y * 2 * config.translate], dim=1)
    return torch.stack([row_x, row_y], dim=1)
