"""Networks of timm up to a stage, a last map or their features, as modules of their own."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class TimmStages(nn.Module):
    """The first stages of a network of timm: float32 [N, 3, H, W] -> the last one's activation [N, C, H', W']."""

    def __init__(self, network: Any, count: int) -> None:
        super().__init__()
        self.network = network
        self.indices = [count - 1]

    def forward(self, images: Tensor) -> Tensor:
        maps: list[Tensor] = self.network.forward_intermediates(
            images, indices=self.indices, stop_early=True, output_fmt="NCHW", intermediates_only=True
        )
        return maps[0]


class TimmMap(nn.Module):
    """A network of timm without its pooling: float32 [N, 3, H, W] -> [N, C, H', W'], or [N, C, patches].

    Args:
        network: gives [N, C, H', W'], [N, H', W', C] or [N, tokens, C].
        channels_last: of maps with four axes.
        num_other_tokens: tokens in front that stand for no patch, such as the class token.
    """

    def __init__(self, network: nn.Module, *, channels_last: bool, num_other_tokens: int) -> None:
        super().__init__()
        self.network = network
        self.channels_last = channels_last
        self.num_other_tokens = num_other_tokens

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network(images)
        if maps.ndim == 3:
            return maps[:, self.num_other_tokens :].transpose(1, 2)
        return maps.permute(0, 3, 1, 2) if self.channels_last else maps


class TimmFeatures(nn.Module):
    """A network of timm up to its head: float32 [N, 3, H, W] -> whatever it calls its features."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network.forward_features(images)
