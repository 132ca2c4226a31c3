"""Random changes of a whole batch at once: moves, strokes, colours, blur, erasure, in this order.

Decisions a reader would question:
- A batch is changed by a handful of operations on all its images, each image by its own random numbers: a few per cent
  of a Conv4 step, where strong changes of one image after the other cost twice the step (benchmarks/augmentation.py).
- Pixels are float32 planes from the first operation to the last and are rounded once, which halves the cost. They come
  back as uint8 because that is what the branch takes; rounding and the way back are about 0.5 % of a Conv4 step.
- The defaults suit a plain folder: small moves that keep digits, products and faces what they are. Mirroring is off,
  because letters, digits and left shoes are not their mirror images.
- Every kind of change takes its numbers in turn, and as many whether it is on or off (a bend excepted), so a setting
  that is switched on leaves the other changes of the same seed as they were.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainer.augment.colour import draw_tones, has_tones, recolour
from trainer.augment.erasure import draw_rectangles, erase
from trainer.augment.filters import blur, draw_amounts, draw_sigmas, thicken
from trainer.augment.warp import draw_moves, has_moves, warp
from trainer.config.settings import AugmentConfig


def augment(images: Tensor, config: AugmentConfig, *, generator: torch.Generator, side: int | None = None) -> Tensor:
    """Change every image of a batch at random, by its own numbers.

    Args:
        images: uint8 [N, H, W, 3], on any device.
        config: ranges and shares; where nothing is asked for, the batch comes back as it is.
        generator: the only source of randomness (on the CPU, so a GPU sees the same numbers).
        side: of the images that come back; None: as they are.

    Returns:
        uint8 [N, H, W, 3], or [N, side, side, 3], on the device of `images`.
    """
    if (not config.changes_pixels and side is None) or not len(images):
        return images
    count = len(images)
    height, width = (side, side) if side is not None else tuple(images.shape[1:3])
    moves = draw_moves(count, config, generator=generator)
    strokes = draw_amounts(count, config.thickness, generator=generator)
    tones = draw_tones(count, config, generator=generator)
    blurs = draw_sigmas(count, config.blur, min(height, width), generator=generator)
    rectangles = draw_rectangles(count, config.erase, height=height, width=width, generator=generator)
    # half precision would cost levels where the caller's step runs in it
    with torch.autocast(images.device.type, enabled=False):
        planes = images.permute(0, 3, 1, 2).contiguous().float()
        if has_moves(config) or side is not None:
            planes = warp(planes, moves, size=(height, width))
        planes = _some(planes, thicken, *strokes)
        planes = recolour(planes, tones) if has_tones(config) else planes
        planes = _some(planes, blur, *blurs)
        planes = _some(planes, erase, *rectangles)
        # every operation stays within 0 and 255, so half a level and cutting the fraction is rounding
        return planes.add_(0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _some(planes: Tensor, change: Callable[[Tensor, Tensor], Tensor], chosen: Tensor, how: Tensor) -> Tensor:
    """The planes with `change` applied to the chosen images, int64 [n]; all others are not touched."""
    if not len(chosen):
        return planes
    chosen = chosen.to(planes.device)
    return planes.index_copy(0, chosen, change(planes[chosen], how))
