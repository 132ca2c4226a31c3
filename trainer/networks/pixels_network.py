"""Pixels as a base network: the resized picture itself is the vector of features. Nothing in it is trained.

Decisions a reader would question:
- The order is that of an image as an array, rows of pixels of three channels, so a vector is `image.reshape(-1) / 255`.
- It is no map. A pooled picture is its mean colour, so `--pooling` is refused, as is a cut, for there is no layer.
- A run of some epochs trains the embedding layer alone, on pixels: a linear baseline, by the same losses and with the
  same augmentation as any network, which tells what the network is worth. It needs nothing that is not there.
"""

from __future__ import annotations

from torch import Tensor, nn

from artifact.errors import UsageError
from trainer.networks.input_size import chosen_size
from trainer.networks.source_network import Source, SourceNetwork, Start

NATURAL_SIZE_PX = 32
"""Largest side that is taken by default; smaller images are taken at their own size."""


class Pixels(nn.Module):
    """float32 [N, 3, H, W] -> float32 [N, H * W * 3], in the order of an array [H, W, 3]."""

    def forward(self, images: Tensor) -> Tensor:
        return images.permute(0, 2, 3, 1).flatten(1)


class PixelsNetwork(SourceNetwork):
    """Pixels as a source; there is nothing to take apart."""

    def first_stages(self, count: int) -> nn.Module:
        raise self.not_cut("there are no layers, only pixels")

    def last_map(self) -> nn.Module:
        raise self.not_pooled("a picture as it is; --size makes it smaller")


def pixels_network(name: str, start: Start) -> PixelsNetwork:
    """Pixels of values in [0, 1]; raises UsageError where weights are asked for."""
    if start.published or start.trained:
        got = "--pretrained" if start.published else "--weights"
        raise UsageError("weights of pixels", expected="none, a picture has no weights", got=got, where="--base")
    size = start.size or chosen_size(start.images_px, natural=NATURAL_SIZE_PX, step=1, trained=False)
    return PixelsNetwork(
        name=name,
        module=Pixels(),
        size=size,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        source="lookalike",
        weights="none",
        pools_a_map=False,
    )


PIXELS = Source(make=pixels_network, names=("pixels",), sized_by_images=True)
