"""Conv4: the small network of the few-shot literature, for small images and two CPU cores.

Four blocks of 3x3 convolution, batch normalisation, ReLU and pooling (Vinyals et al. 2016, "Matching Networks"). Two
departures, and the last block is not pooled: pooling comes before the ReLU, which gives the same values from a quarter
of that work; and the widths grow with depth instead of 64 throughout, because the first block sees the most pixels and
was half of a step's time (28 px, batch of 100, one core: 71 ms against 123 ms a step).

Decision a reader would question: the last map is flattened, as in the literature, so the network belongs to one size of
image. Where a shape stands is information: on drawings of unseen symbols an average over positions (`--pooling avg`)
gives recall@1 .32 where this gives .55 (docs/decisions/0003).
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from artifact.errors import UsageError
from trainer.config.rates import Family
from trainer.networks.input_size import chosen_size
from trainer.networks.pooling import FlattenPooling
from trainer.networks.source_network import Ends, Source, SourceNetwork, Start

NATURAL_SIZE_PX = 64
"""Largest side that is taken by default; smaller images are taken at their own size."""

WIDTHS = (32, 64, 128, 128)
"""Channels of the four blocks."""


class Conv4(nn.Module):
    """Four convolution blocks: float32 [N, 3, H, W] -> float32 [N, 128 * (H // 8) * (W // 8)]."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for index, (fan_in, fan_out) in enumerate(itertools.pairwise((3, *WIDTHS))):
            blocks += [nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False), nn.BatchNorm2d(fan_out)]
            blocks += [nn.MaxPool2d(2)] if index < 3 else []
            blocks += [nn.ReLU(inplace=True)]
        self.blocks = nn.Sequential(*blocks)
        self.flatten = FlattenPooling()

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.flatten(self.blocks(images))
        return features


class Conv4Network(SourceNetwork):
    """Conv4 as a source; its blocks are its stages, each of which ends with its ReLU."""

    def first_stages(self, count: int) -> nn.Module:
        blocks = self._blocks()
        last = [index for index, layer in enumerate(blocks) if isinstance(layer, nn.ReLU)][count - 1]
        return blocks[: last + 1]

    def last_map(self) -> nn.Module:
        return self._blocks()

    def family(self) -> Family:
        return "conv4"

    def _blocks(self) -> nn.Sequential:
        assert isinstance(self.module, Conv4)
        return self.module.blocks


def conv4_network(name: str, start: Start) -> Conv4Network:
    """Conv4 with random weights; raises UsageError where published ones are asked for.

    It has no size that it was made for, and a fixed one would blow 28 px digits up or throw away most of a photograph.
    """
    if start.published:
        raise UsageError("published weights of conv4", expected="none, there are no such", got="--pretrained")
    module = Conv4()
    relus: list[nn.Module] = [layer for layer in module.blocks if isinstance(layer, nn.ReLU)]
    ends: Ends = [(f"block{index}", relu) for index, relu in enumerate(relus, 1)]
    size = start.size or chosen_size(start.images_px, natural=NATURAL_SIZE_PX, step=1, trained=False)
    return Conv4Network(name=name, module=module, size=size, source="lookalike", ends=ends)


CONV4 = Source(make=conv4_network, names=("conv4",), sized_by_images=True)
