"""A branch taken apart at its last feature map, so that boxes can be cut out of the map: regional networks.

In front of the map one pass over a picture of any size, behind it what makes a vector of a map: pooling and embedding
layer, as they were trained. Decision a reader would question: the bins of a box are as many as the map had cells where
the branch was trained, so whatever pools them (a mean, a maximum, gem's power, a flattening with its fixed weights)
gets what it was made for, and a box of a whole picture of that size gives the branch's own vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from artifact.errors import UsageError
from trainer.networks.branch import Branch
from trainer.networks.conv4 import Conv4
from trainer.networks.deep_ranking import DeepRanking
from trainer.networks.pixels_network import Pixels
from trainer.networks.pooling import Pooled
from trainer.networks.stages import run_once

_WHERE = "--as regions"
_MEND = "train with --pooling avg, max or gem, or with --cut"
_WITHOUT_A_MAP = (DeepRanking, Pixels)
"""Networks that no pooling and no cut would help."""


@dataclass(frozen=True, kw_only=True)
class RegionalBranch:
    """A branch in two parts.

    Attributes:
        maps: uint8 [N, H, W, 3] of any size -> float32 [N, C, h, w].
        tail: float32 [K, C, *sides] -> float32 [K, embedding_dim].
        sides: height and width of the map of a picture of the size that the branch was trained at.
    """

    maps: nn.Module
    tail: nn.Module
    sides: tuple[int, int]


def regional_branch(branch: Branch, *, name: str, size: int) -> RegionalBranch:
    """Take a branch apart, in evaluation mode; the parts share its weights.

    Args:
        name: of its base network, for messages.
        size: side of the pictures that it was trained at, in pixels.

    Raises:
        UsageError: the network ends in no map of rows and columns, or in no pooling of one that it can be parted from.
    """
    parts = _parted(branch.base)
    if parts is None:
        raise UsageError(
            f"base network {name}",
            expected="a last map and a pooling of it",
            got="a vector whose map is not known",
            where=_WHERE,
            mend=None if isinstance(branch.base, _WITHOUT_A_MAP) else _MEND,
        )
    maps, tail = _Maps(branch, parts[0]).eval(), _Tail(branch, parts[1]).eval()
    black = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    shape = tuple(run_once(maps, black).shape)
    if len(shape) != 4:
        got = "one of patches in a row" if len(shape) == 3 else f"{len(shape)} axes"
        raise UsageError(f"base network {name}", expected="a map of rows and columns", got=got, where=_WHERE)
    return RegionalBranch(maps=maps, tail=tail, sides=(shape[2], shape[3]))


class _Maps(nn.Module):
    """The front of a branch, which turns pixels into planes, and its network up to the map."""

    def __init__(self, branch: Branch, network: nn.Module) -> None:
        super().__init__()
        self.branch, self.network = branch, network

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network(self.branch.planes(images))
        return maps


class _Tail(nn.Module):
    """The pooling and the head of a branch."""

    def __init__(self, branch: Branch, pooling: nn.Module) -> None:
        super().__init__()
        self.pooling, self.branch = pooling, branch

    def forward(self, maps: Tensor) -> Tensor:
        return self.branch.head(self.pooling(maps))


class _TimmMaps(nn.Module):
    """A network of timm up to its own head: images -> [N, C, h, w], or whatever it has instead."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network.forward_features(images)
        return maps.permute(0, 3, 1, 2) if _is_channels_last(self.network) else maps


class _TimmHead(nn.Module):
    """The head of a network of timm, its classifier left out: [N, C, h, w] -> [N, features]."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor) -> Tensor:
        maps = maps.permute(0, 2, 3, 1) if _is_channels_last(self.network) else maps
        features: Tensor = self.network.forward_head(maps, pre_logits=True)
        return features


def _parted(base: nn.Module) -> tuple[nn.Module, nn.Module] | None:
    """The base network up to its last map, and what pools it; None where that is not known."""
    if isinstance(base, Pooled):
        return base.network, base.pooling
    if isinstance(base, Conv4):
        return base.blocks, base.flatten
    if type(base).__module__.startswith("timm.") and hasattr(base, "forward_features"):
        return _TimmMaps(base), _TimmHead(base)
    return None


def _is_channels_last(network: Any) -> bool:
    return getattr(network, "output_fmt", "NCHW") == "NHWC"
