"""Sources of base networks, and the whole network with its weights that one hands over, with ways to take it apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source of base networks.

    Attributes:
        make: (name, side of the input in pixels or None, published weights?) -> the whole network; it raises
            UnknownNameError for a name that it does not have.
        names: of the networks that it alone has, where they can be listed.
        own_size_px: its networks take images at their own size unless the user gives one, up to this side in pixels;
            None: at the size that each network was made for.
    """

    make: Callable[[str, int | None, bool], SourceNetwork]
    names: tuple[str, ...] = ()
    own_size_px: int | None = None


class UnknownNameError(Exception):
    """A name that a source does not have.

    Args:
        known: those that it has.
    """

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(known)
        self.known = known
