"""Erasure: a share of the images loses one rectangle.

Decision a reader would question: the rectangle gets the image's own mean colour. Zhong et al. 2017 ("Random Erasing
Data Augmentation") find random values and the mean about equal, and both better than black or white; noise would cost a
random number per pixel and put a texture into drawings that no drawing has.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

AREAS = (0.02, 0.2)
"""Least and largest share of the image that is hidden."""

ASPECTS = (0.3, 3.3)
"""Least and largest height over width of the rectangle."""


def draw_rectangles(
    count: int, share: float, *, height: int, width: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Which of `count` images lose a rectangle, int64 [n], and which rectangles.

    Returns:
        The images, and float32 [n, 4]: top, left, bottom, right in pixels, inside of the image; both on the CPU. Areas
        are uniform, aspects uniform in their logarithm, positions uniform; a rectangle longer than the image is cut.
    """
    unit = torch.rand(5, count, generator=generator)
    chosen = (unit[0] < share).nonzero().squeeze(1)
    unit = unit[1:, chosen]
    areas = (AREAS[0] + unit[0] * (AREAS[1] - AREAS[0])) * (height * width)
    aspects = torch.exp(math.log(ASPECTS[0]) + unit[1] * math.log(ASPECTS[1] / ASPECTS[0]))
    heights = (areas * aspects).sqrt().round().clamp(1, height)
    widths = (areas / aspects).sqrt().round().clamp(1, width)
    tops, lefts = (unit[2] * (height - heights)).round(), (unit[3] * (width - widths)).round()
    return chosen, torch.stack([tops, lefts, tops + heights, lefts + widths], 1)


def erase(planes: Tensor, rectangles: Tensor) -> Tensor:
    """Fill one rectangle of each image with the image's mean colour.

    Args:
        planes: float32 [N, C, H, W].
        rectangles: float32 [N, 4], top, left, bottom, right in pixels; the last two are the first outside.

    Returns:
        float32 [N, C, H, W].
    """
    top, left, bottom, right = rectangles.to(planes.device).T[:, :, None]  # [N, 1] each
    rows = torch.arange(planes.shape[2], device=planes.device)
    columns = torch.arange(planes.shape[3], device=planes.device)
    down, across = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)  # [N, H], [N, W]
    inside = down[:, None, :, None] & across[:, None, None]
    return torch.where(inside, planes.mean(dim=(2, 3), keepdim=True), planes)
