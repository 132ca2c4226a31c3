"""Poolings: the last feature map to one vector of features. A new one is one class and one line in POOLINGS.

Maps have their channels first: [N, C, H, W], or [N, C, tokens] of networks that work on patches, whose class token is
left out. Everything here is exported as a few nodes of the graph.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor, nn

from trainer.networks.stages import run_once

GEM_POWER = 3.0
GEM_EPSILON = 1e-6


class AveragePooling(nn.Module):
    """Mean over positions: [N, C, ...] -> [N, C]."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean(dim=_positions(maps))


class MaxPooling(nn.Module):
    """Maximum over positions: [N, C, ...] -> [N, C]."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.amax(dim=_positions(maps))


class GemPooling(nn.Module):
    """Generalised mean with one learned power: (mean of max(x, 1e-6)^p)^(1/p): [N, C, ...] -> [N, C].

    p = 1 is the mean (of a map that is not negative), p towards infinity the maximum; it starts at 3. What is below
    1e-6 counts as 1e-6, so it is made for maps behind a ReLU. Radenovic, Tolias, Chum 2018, "Fine-tuning CNN Image
    Retrieval with No Human Annotation", equation 3.
    """

    def __init__(self) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.full((1,), GEM_POWER))

    def forward(self, maps: Tensor) -> Tensor:
        return maps.clamp(min=GEM_EPSILON).pow(self.power).mean(dim=_positions(maps)).pow(1.0 / self.power)


class FlattenPooling(nn.Module):
    """Every position of every channel is a feature: [N, C, H, W] -> [N, C * H * W]; binds the network to its size.

    Attributes:
        sides: of the maps that it was made for, see `bind_flattening`: maps of smaller images, as training may begin
            with, are enlarged to these. None: maps are taken as they come.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sides: tuple[int, int] | None = None

    def forward(self, maps: Tensor) -> Tensor:
        if self.sides is not None and maps.ndim == 4 and tuple(maps.shape[2:]) != self.sides:
            maps = F.interpolate(maps, size=self.sides, mode="bilinear", align_corners=False)
        return maps.flatten(1)


def bind_flattening(module: nn.Module, images: Tensor) -> None:
    """Tell every flattening of a network the sides of its maps, by the images that the network is made for."""
    handles = [
        inner.register_forward_pre_hook(_remember_sides)
        for inner in module.modules()
        if isinstance(inner, FlattenPooling)
    ]
    try:
        if handles:
            run_once(module, images)
    finally:
        for handle in handles:
            handle.remove()


def _remember_sides(flattening: nn.Module, inputs: tuple[Tensor]) -> None:
    assert isinstance(flattening, FlattenPooling)
    shape = inputs[0].shape
    flattening.sides = (shape[2], shape[3]) if len(shape) == 4 else None


POOLINGS: dict[str, Callable[[], nn.Module]] = {
    "avg": AveragePooling,
    "max": MaxPooling,
    "gem": GemPooling,
    "flatten": FlattenPooling,
}


class Pooled(nn.Module):
    """A network that gives a feature map, and the pooling of that map: -> float32 [N, features].

    Args:
        network: float32 [N, 3, H, W] -> [N, C, ...].
        pooling: a name in POOLINGS.
    """

    def __init__(self, network: nn.Module, pooling: str) -> None:
        super().__init__()
        self.network = network
        self.pooling = POOLINGS[pooling]()

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.pooling(self.network(images))
        return features


def _positions(maps: Tensor) -> tuple[int, ...]:
    return tuple(range(2, maps.ndim))
