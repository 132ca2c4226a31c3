"""Moves of the content: cropped, mirrored, scaled, stretched, sheared, turned, shifted and bent, in one go.

Decisions a reader would question:
- All of it is one sampling grid and one bilinear `grid_sample`: however much is asked for, an image is interpolated
  once.
- No antialiasing. Bilinear samples skip no pixel down to half the size, and ranges that help stay far from that.
- What comes from outside repeats the border, so a white page stays white and no black corner says "turned".
- The grid is built in planes from two vectors, and the bend by two small matrices: `affine_grid` took longer than the
  sampling itself, `interpolate` six times as long (64 px, one core).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor

from trainer.config.settings import AugmentConfig

NODES = 4
"""Points along each side that an elastic bend displaces at random, corners included."""


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Moves of the content of each image, in the order in which they are made; every field float32 [N], on the CPU.

    Attributes:
        crop_area: share of the area that is kept and enlarged to the whole.
        crop_x, crop_y: where the crop lies, from -1 (at the left, the top) to 1 (at the right, the bottom).
        mirror: -1 swaps left and right, 1 does not.
        factor: times as large.
        stretch: width over height of what was a square; the area stays.
        shear_x, shear_y: tangents; first along x, then along y.
        angle: radians, clockwise as seen on a screen.
        shift_x, shift_y: to the right and down, shares of the width and the height.
        bend: [N, 2, NODES, NODES], x and y displacements of the nodes, shares of the shorter side; None: no bend.
    """

    crop_area: Tensor
    crop_x: Tensor
    crop_y: Tensor
    mirror: Tensor
    factor: Tensor
    stretch: Tensor
    shear_x: Tensor
    shear_y: Tensor
    angle: Tensor
    shift_x: Tensor
    shift_y: Tensor
    bend: Tensor | None = None


def has_moves(config: AugmentConfig) -> bool:
    """Whether any setting of `config` moves anything."""
    ranges = (config.rotate_deg, config.translate, config.scale, config.aspect, config.shear_deg, config.elastic)
    return any(ranges) or config.crop < 1 or config.flip


def draw_moves(count: int, config: AugmentConfig, *, generator: torch.Generator) -> Moves:
    """Random moves of `count` images; each number is uniform in its range, factors are uniform in their logarithm."""
    either = torch.rand(11, count, generator=generator) * 2 - 1  # [-1, 1)
    bend = torch.rand(count, 2, NODES, NODES, generator=generator) * 2 - 1 if config.elastic else None
    shear = math.radians(config.shear_deg)
    return Moves(
        crop_area=1 - (either[0] + 1) / 2 * (1 - config.crop),
        crop_x=either[1],
        crop_y=either[2],
        mirror=torch.where(either[3] < 0, -1.0, 1.0) if config.flip else torch.ones(count),
        factor=torch.exp(either[4] * math.log1p(config.scale)),
        stretch=torch.exp(either[5] * math.log1p(config.aspect)),
        shear_x=torch.tan(either[6] * shear),
        shear_y=torch.tan(either[7] * shear),
        angle=either[8] * math.radians(config.rotate_deg),
        shift_x=either[9] * config.translate,
        shift_y=either[10] * config.translate,
        bend=None if bend is None else bend * config.elastic,
    )


def affine_maps(moves: Moves, *, height: int, width: int) -> Tensor:
    """Maps from positions of the result to positions of the image, in pixels from the centre: float32 [N, 2, 3].

    Pixels, because coordinates in [-1, 1] are stretched by the aspect: a plain rotation of those would shear images
    that are not square.
    """
    wide, narrow = moves.factor * moves.stretch.sqrt(), moves.factor / moves.stretch.sqrt()
    cos, sin = moves.angle.cos(), moves.angle.sin()
    # where the content goes: rotation @ [[1, 0], [shear_y, 1]] @ [[1, shear_x], [0, 1]] @ diag(mirror wide, narrow)
    below = 1 + moves.shear_x * moves.shear_y
    a = (cos - sin * moves.shear_y) * wide * moves.mirror
    b = (cos * moves.shear_x - sin * below) * narrow
    c = (sin + cos * moves.shear_y) * wide * moves.mirror
    d = (sin * moves.shear_x + cos * below) * narrow
    # the sampling grid wants the way back, which ends in the crop
    kept = moves.crop_area.sqrt()
    back = torch.stack([torch.stack([d, -b], 1), torch.stack([-c, a], 1)], 1)
    back = back * (kept / (a * d - b * c)).view(-1, 1, 1)
    shift = torch.stack([moves.shift_x * width, moves.shift_y * height], 1)
    room = (1 - kept) / 2
    centre = torch.stack([moves.crop_x * room * width, moves.crop_y * room * height], 1)
    return torch.cat([back, centre[:, :, None] - back @ shift[:, :, None]], 2)


def warp(planes: Tensor, moves: Moves, *, size: tuple[int, int] | None = None) -> Tensor:
    """Move the content of each image.

    Args:
        planes: float32 [N, C, H, W].
        moves: of the N images.
        size: height and width of the result; None: as they are.

    Returns:
        float32 [N, C, *size], on the device of `planes`.
    """
    height, width = planes.shape[2:]
    rows_to, columns_to = size or (height, width)
    maps = affine_maps(moves, height=height, width=width)
    to_unit = torch.tensor([2 / width, 2 / height]).view(1, 2, 1)
    maps, bend = maps * to_unit, moves.bend
    across = (torch.arange(columns_to) + 0.5) * (width / columns_to) - width / 2
    down = (torch.arange(rows_to) + 0.5) * (height / rows_to) - height / 2
    columns = maps[:, :, 0, None] * across  # [N, 2, W]
    rows = maps[:, :, 1, None] * down + maps[:, :, 2, None]  # [N, 2, H]
    device = planes.device
    grid = rows.to(device)[:, :, :, None] + columns.to(device)[:, :, None, :]  # [N, 2, H, W]
    if bend is not None:
        # displaced in the result, then mapped like every position there; both are linear, so it is enough to map nodes
        nodes = torch.einsum("nij,njhw->nihw", maps[:, :, :2], bend * min(height, width)).to(device)
        grid += bend_weights(rows_to).to(device) @ (nodes @ bend_weights(columns_to).to(device).T)
    return F.grid_sample(planes, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=False)


@functools.lru_cache(maxsize=16)
def bend_weights(size: int) -> Tensor:
    """What each node contributes to each of `size` pixels, bicubic: float32 [size, NODES]; rows sum to 1.

    Source: U-Net (Ronneberger et al. 2015) bends with random vectors on a coarse grid, interpolated so.
    """
    nodes = torch.eye(NODES).view(NODES, 1, 1, NODES)
    return F.interpolate(nodes, size=(1, size), mode="bicubic", align_corners=True).view(NODES, size).T.contiguous()
