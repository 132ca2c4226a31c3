"""A whole network with its weights, as a source of base networks hands it over, and the ways to take it apart."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from artifact.errors import UsageError

Triple = tuple[float, float, float]
Ends = list[tuple[str, nn.Module | None]]


@dataclass(kw_only=True)
class SourceNetwork:
    """A whole network, before anything is cut off or pooled; a source is a subclass with the two methods.

    Attributes:
        name: as given by the user.
        module: float32 [N, 3, size, size] -> float32 [N, features], or [N, C, H, W] of a user's own network.
        size: side of its input in pixels.
        mean, std: per channel, in units of [0, 1].
        source: `timm VERSION`, `lookalike` or the user's `module:function`.
        weights: `random` or `timm/NAME.TAG`.
        licence: of those weights, where known.
        ends: name and last module of each stage, from the input.
    """

    name: str
    module: nn.Module
    size: int
    mean: Triple = (0.5, 0.5, 0.5)
    std: Triple = (0.5, 0.5, 0.5)
    source: str
    weights: str = "random"
    licence: str | None = None
    ends: Ends = field(default_factory=list)

    def first_stages(self, count: int) -> nn.Module:
        """The first `count` stages alone: images -> the activation behind the last of them, channels first."""
        raise NotImplementedError

    def last_map(self) -> nn.Module:
        """The network without its own pooling: images -> the last feature map, channels first."""
        raise NotImplementedError

    def not_cut(self, why: str) -> UsageError:
        """The refusal to cut this network."""
        return UsageError(f"base network {self.name} cannot be cut", got=why, where="--cut", mend="leave --cut away")

    def not_pooled(self, why: str) -> UsageError:
        """The refusal to pool this network in another way than its own."""
        mend = "leave --pooling away"
        return UsageError(f"base network {self.name} has no map to pool", got=why, where="--pooling", mend=mend)
