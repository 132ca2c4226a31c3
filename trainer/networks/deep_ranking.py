"""Deep ranking: a deep trunk beside two shallow ones that see the image at a quarter and an eighth of its side.

Wang et al. 2014, "Learning Fine-grained Image Similarity with Deep Ranking" (CVPR): what pictures
of a class have in common is the deep network's to see, what two of them differ in (colours, the large shapes) is seen
best in few pixels. Each trunk's vector is put on the unit sphere, so that none outweighs the others; they are joined,
and the branch's embedding layer stands behind them as behind any base network.

    deep_ranking              VGG-16 as published beside the shallow trunks
    deep_ranking:resnet18     any base network by name in its place, a user's own too

Decisions a reader would question:
- The deep trunk is an ordinary base network: its weights, cut, pooling, stages and rates are those it has alone. The
  shallow trunks, whose weights are always random at first, belong to its last stage and so are set free first.
- The image is made smaller inside the network, so that the artifact takes one image. It is done by two products with
  a fixed matrix (the triangle filter, the antialiased bilinear of preprocessing), because torch's and ONNX's own
  resizing differ by up to three levels where they antialias.
- The shallow trunks are those of the widely used Keras code of this network, which at 224 px has 163,661,824 parameters
  with VGG-16 and 4,096 neurons. At other sizes their strides shrink in proportion, or 64 px would leave one position.
  docs/decisions/0053 counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor, nn

from artifact.errors import UsageError
from trainer.networks.pooling import FlattenPooling
from trainer.networks.source_network import Source, SourceNetwork, Start, UnknownNameError

NAME, PUBLISHED_TRUNK = "deep_ranking", "vgg16"

_CHANNELS, _KERNEL = 96, 8
_STRIDE_AT_224_PX = 4
_SHARES = {"quarter": (4, 3, 4), "eighth": (8, 7, 2)}
"""{shallow trunk: (how much smaller its image is, kernel and stride of its pooling)}."""


class Smaller(nn.Module):
    """The image at a share of its side: float [N, C, H, W] -> float [N, C, H / times, W / times], rounded.

    The triangle filter, as wide as a pixel of the result to either side, cut off at the border: antialiased bilinear
    resizing as Pillow and torch have it.

    Args:
        times: how many times smaller.
        side: of the images it is made for, in pixels; the filter of others is made as they come.
    """

    def __init__(self, times: int, side: int) -> None:
        super().__init__()
        self.times = times
        self.filter: Tensor
        # not persistent: it follows from the size
        self.register_buffer("filter", triangle_filter(side, self._smaller(side)), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        down, across = (self._filter_of(images.shape[axis], images) for axis in (2, 3))
        return torch.matmul(down, torch.matmul(images, across.T))

    def _filter_of(self, side: int, like: Tensor) -> Tensor:
        if side == self.filter.shape[1]:
            return self.filter
        return triangle_filter(side, self._smaller(side)).to(like.device)

    def _smaller(self, side: int) -> int:
        return max(1, round(side / self.times))


def triangle_filter(side: int, smaller: int) -> Tensor:
    """float32 [smaller, side], the weight of each pixel in each of the pixels of a smaller side; rows add up to 1."""
    scale = side / smaller
    centres = (torch.arange(smaller, dtype=torch.float64) + 0.5) * scale
    places = torch.arange(side, dtype=torch.float64) + 0.5
    weights = (1 - (places - centres[:, None]).abs() / scale).clamp(min=0)
    return (weights / weights.sum(dim=1, keepdim=True)).float()


class ShallowTrunk(nn.Module):
    """One convolution and one max pooling of a smaller image: float32 [N, 3, H, W] -> float32 [N, features].

    At 224 px both of them give maps of 4 x 4 and so 1,536 features.

    Args:
        times: how many times smaller the image is.
        side: of the whole image, in pixels.
        pool, pool_stride: of the max pooling.
    """

    def __init__(self, *, times: int, side: int, pool: int, pool_stride: int) -> None:
        super().__init__()
        self.smaller = Smaller(times, side)
        self.stride = max(1, round(side / 224 * _STRIDE_AT_224_PX))
        self.convolution = nn.Conv2d(3, _CHANNELS, _KERNEL, stride=self.stride)
        self.pool, self.pool_stride = pool, pool_stride
        self.flatten = FlattenPooling()

    def forward(self, images: Tensor) -> Tensor:
        planes = _padded(self.smaller(images), _KERNEL, self.stride)
        maps = F.relu(self.convolution(planes))  # what is padded with zeros behind it is never a maximum
        maps = F.max_pool2d(_padded(maps, self.pool, self.pool_stride), self.pool, self.pool_stride)
        features: Tensor = self.flatten(maps)
        return features


class DeepRanking(nn.Module):
    """Three trunks side by side: float32 [N, 3, size, size] -> float32 [N, features of all three].

    Args:
        trunk: float32 [N, 3, size, size] -> float32 [N, features].
        size: side of the images in pixels.
    """

    def __init__(self, trunk: nn.Module, size: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.shallow = nn.ModuleDict(
            {
                name: ShallowTrunk(times=times, side=size, pool=pool, pool_stride=stride)
                for name, (times, pool, stride) in _SHARES.items()
            }
        )

    def forward(self, images: Tensor) -> Tensor:
        vectors = [self.trunk(images), *(shallow(images) for shallow in self.shallow.values())]
        return torch.cat([F.normalize(vector, dim=1) for vector in vectors], dim=1)


def deep_ranking_source(find: Callable[[str], Source]) -> Source:
    """The source of these networks.

    Args:
        find: name of a base network -> its source.
    """

    def make(name: str, start: Start) -> SourceNetwork:
        """A deep trunk that will stand beside shallow ones; raises what its own source raises."""
        trunk = name.partition(":")[2] if ":" in name else PUBLISHED_TRUNK
        if not trunk or trunk.partition(":")[0] == NAME:
            mend = f"{NAME} alone has {PUBLISHED_TRUNK}"
            expected = f"the name of another base network, as in {NAME}:resnet18"
            raise UsageError(f"deep trunk of {NAME}", expected=expected, got=repr(trunk), where="--base", mend=mend)
        try:
            network = find(trunk).make(trunk, start)
        except UnknownNameError as error:
            raise UnknownNameError([f"{NAME}:{known}" for known in error.known]) from None
        return replace(network, name=name, around=DeepRanking, part="trunk.")

    return Source(make=make, names=(NAME,), takes_others=True, sized_by_images=True)


def _padded(maps: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around, so that a window at this stride gives one value for every `stride` positions that were begun."""
    pads: list[int] = []
    for side in (maps.shape[3], maps.shape[2]):
        whole = max(0, (-(-side // stride) - 1) * stride + kernel - side)
        pads += [whole // 2, whole - whole // 2]
    return F.pad(maps, pads)
