"""Sources of base networks, and the whole network with its weights that one hands over, with ways to take it apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import nn

from artifact.errors import UsageError
from trainer.config.rates import Family
from trainer.networks.layer_cut import Axes

Triple = tuple[float, float, float]
Ends = list[tuple[str, nn.Module | None]]


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a network starts: with which weights, and at which size.

    Attributes:
        size: side of the input in pixels, where the user gives one.
        images_px: median of the shorter sides of the images that it will be trained on, where they are known.
        published: whether the weights that are published for it are loaded.
        trained: whether it starts from weights that were trained, published ones or those of a local file.
    """

    size: int | None = None
    images_px: int | None = None
    published: bool = False
    trained: bool = False


@dataclass(kw_only=True)
class SourceNetwork:
    """A whole network, before anything is cut off or pooled; a source is a subclass with the two methods.

    Attributes:
        name: as given by the user.
        module: float32 [N, 3, size, size] -> float32 [N, features], or [N, C, H, W] of a user's own network.
        size: side of its input in pixels.
        mean, std: per channel, in units of [0, 1].
        own_pixels: whether these are those of the weights alone, and cannot be told from the name.
        source: `timm VERSION`, `lookalike` or the user's `module:function`.
        weights: `random`, `timm/NAME.TAG` or `package NAME VERSION`; `none` of what has none.
        licence: of those weights, where known.
        ends: name and last module of each stage, from the input.
        around: (the network as it was cut and pooled, side of its input in pixels) -> what it becomes a part of.
        part: what the names of its modules begin with in that.
        pools_a_map: whether the whole of it pools a last map, which another pooling can take the place of.
    """

    name: str
    module: nn.Module
    size: int
    mean: Triple = (0.5, 0.5, 0.5)
    std: Triple = (0.5, 0.5, 0.5)
    own_pixels: bool = False
    source: str
    weights: str = "random"
    licence: str | None = None
    ends: Ends = field(default_factory=list)
    around: Callable[[nn.Module, int], nn.Module] | None = None
    part: str = ""
    pools_a_map: bool = True

    def first_stages(self, count: int) -> nn.Module:
        """The first `count` stages alone: images -> the activation behind the last of them, channels first."""
        raise NotImplementedError

    def last_map(self) -> nn.Module:
        """The network without its own pooling: images -> the last feature map, channels first."""
        raise NotImplementedError

    def at_side(self, side: int) -> nn.Module:
        """The network for images of another side in pixels, as far as it takes them; weights do not matter."""
        del side
        return self.module

    def axes_of(self, shape: Sequence[int]) -> Axes | None:
        """The axes of an inner layer's output where the network takes one size alone; None: nothing tells them."""
        return Axes(channels=(1,), positions=(2, 3)) if len(shape) == 4 else None

    def num_other_tokens(self) -> int:
        """How many of its tokens stand for no patch."""
        return 0

    def family(self) -> Family:
        """What its learning rates go by (trainer/config/rates.py)."""
        return "own"

    def has_small_map(self) -> bool:
        """Whether its features are the average of a map that is small enough to be flattened, by default, instead."""
        return False

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
        make: (name, how it starts) -> the whole network; it raises UnknownNameError for a name that it does not have.
        names: of the networks that it alone has, where they can be listed.
        takes_others: whether NAME:OTHER, where NAME is one of its names, is its network too: NAME made with OTHER.
        sized_by_images: whether the size of its networks, where it was left open, may follow from the images.
    """

    make: Callable[[str, Start], SourceNetwork]
    names: tuple[str, ...] = ()
    takes_others: bool = False
    sized_by_images: bool = False

    def has(self, name: str) -> bool:
        """Whether a name is one of those that it alone has."""
        return name in self.names or (self.takes_others and name.partition(":")[0] in self.names)


class UnknownNameError(Exception):
    """A name that a source does not have.

    Args:
        known: those that it has.
    """

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(known)
        self.known = known
