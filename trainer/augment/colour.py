"""Light and colours of images: brightness, contrast, saturation, hue and loss of colour, as one matrix per image.

Decisions a reader would question:
- All five are affine maps of (R, G, B), so they are multiplied first and every pixel is touched once, without being cut
  at black and white in between; the order is hue, saturation, contrast, brightness. NVIDIA DALI's ColorTwist does so.
- Hue is a rotation of the chroma plane of YIQ, not of HSV: it is linear, it keeps the luma, and grey stays grey; HSV
  needs a maximum, a minimum and six cases per pixel. Vivid colours may leave the cube and are cut at its faces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.config.settings import AugmentConfig

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, what Pillow's `L` and torchvision use."""

_TO_YIQ = torch.tensor([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)], dtype=torch.float64)
_FROM_YIQ = torch.linalg.inv(_TO_YIQ)


@dataclass(frozen=True, kw_only=True)
class Tones:
    """Changes of the colours of each image, in the order in which they are made; every field float32 [N], on the CPU.

    Attributes:
        hue: radians; a third of the circle turns red into green and green into blue.
        saturation: distance from grey, times; 0 is grey.
        contrast: distance from the image's mean luma, times.
        brightness: times as bright.
    """

    hue: Tensor
    saturation: Tensor
    contrast: Tensor
    brightness: Tensor


def has_tones(config: AugmentConfig) -> bool:
    """Whether any setting of `config` changes colours."""
    return any((config.brightness, config.contrast, config.saturation, config.hue, config.grayscale))


def draw_tones(count: int, config: AugmentConfig, *, generator: torch.Generator) -> Tones:
    """Random tones of `count` images: hue uniform either way, factors uniform in their logarithm, a share grey."""
    unit = torch.rand(5, count, generator=generator)
    either = unit * 2 - 1
    saturation = torch.exp(either[1] * math.log1p(config.saturation))
    return Tones(
        hue=either[0] * (2 * math.pi * config.hue),
        saturation=torch.where(unit[4] < config.grayscale, 0.0, saturation),
        contrast=torch.exp(either[2] * math.log1p(config.contrast)),
        brightness=torch.exp(either[3] * math.log1p(config.brightness)),
    )


def colour_matrices(tones: Tones) -> Tensor:
    """What multiplies (R, G, B): float32 [N, 3, 3]. Luma passes unchanged but for contrast and brightness."""
    cos, sin = tones.hue.double().cos(), tones.hue.double().sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    chroma = tones.saturation.double()
    # red, green, blue follow each other clockwise in the I-Q plane
    rows = [
        torch.stack([one, zero, zero], 1),
        torch.stack([zero, chroma * cos, chroma * sin], 1),
        torch.stack([zero, -chroma * sin, chroma * cos], 1),
    ]
    matrices: Tensor = _FROM_YIQ @ torch.stack(rows, 1) @ _TO_YIQ
    return (matrices * (tones.contrast * tones.brightness).double().view(-1, 1, 1)).float()


def recolour(planes: Tensor, tones: Tones) -> Tensor:
    """Change the colours of each image: float32 [N, 3, H, W] in [0, 255] -> the same, cut at 0 and 255."""
    device = planes.device
    mean_luma = planes.mean(dim=(2, 3)) @ torch.tensor(LUMA, device=device)  # [N]
    offset = (tones.brightness * (1 - tones.contrast)).to(device) * mean_luma
    changed = torch.baddbmm(offset.view(-1, 1, 1), colour_matrices(tones).to(device), planes.flatten(2))
    return changed.clamp_(0, 255).view(planes.shape)
