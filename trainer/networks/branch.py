"""The branch: base network and dense identity embedding layer; one image in, one vector out.

Scaling, mean, std and the layout change happen inside, so they become nodes of the exported graph and a client ships
raw uint8 pixels that it cannot normalise wrongly.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class Branch(nn.Module):
    """uint8 [N, H, W, 3], RGB -> float32 [N, embedding_dim].

    Args:
        base: float32 [N, 3, H, W] -> float32 [N, num_features].
        num_features: width of the base network's output.
        embedding_dim: neurons of the embedding layer, which has no activation.
        mean, std: per channel, in units of [0, 1].
        normalize: put vectors on the unit sphere.
    """

    def __init__(
        self,
        base: nn.Module,
        *,
        num_features: int,
        embedding_dim: int,
        mean: Sequence[float],
        std: Sequence[float],
        normalize: bool,
    ) -> None:
        super().__init__()
        self.base = base
        self.num_features = num_features
        self.embedding = nn.Linear(num_features, embedding_dim)
        self.towers = nn.ModuleDict()
        """Networks of what else is known of an image, in its space, by their input; trained and kept with the branch,
        and no part of what it gives. Most branches have none."""
        self.normalize = normalize
        self.scale: Tensor
        self.shift: Tensor
        # (x / 255 - mean) / std as one multiply and one add; not persistent: they follow from the base network
        scale = 1.0 / (255.0 * torch.tensor(list(std), dtype=torch.float64))
        shift = -torch.tensor(list(mean), dtype=torch.float64) / torch.tensor(list(std), dtype=torch.float64)
        self.register_buffer("scale", scale.float().view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.float().view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Output of the base network: uint8 [N, H, W, 3] -> float [N, num_features]."""
        features: Tensor = self.base(self.planes(images))
        return features

    def planes(self, images: Tensor) -> Tensor:
        """What the base network takes: uint8 [N, H, W, 3] -> float [N, 3, H, W]."""
        # The permuted view of NHWC pixels is channels_last already, the layout that convolutions like best on CPUs.
        # It comes first: onnxruntime repeats three numbers an image row by row ten times as slowly as one a plane.
        return images.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift

    def head(self, features: Tensor) -> Tensor:
        """The embedding layer and what follows it: float32 [N, num_features] -> float32 [N, embedding_dim]."""
        vectors: Tensor = self.embedding(features)
        return F.normalize(vectors, dim=1) if self.normalize else vectors


class FeatureBranch(Branch):
    """A branch without an embedding layer: the features of its base network are the vectors.

    Args:
        base, num_features, mean, std, normalize: as those of Branch.
    """

    def __init__(
        self, base: nn.Module, *, num_features: int, mean: Sequence[float], std: Sequence[float], normalize: bool
    ) -> None:
        super().__init__(base, num_features=num_features, embedding_dim=1, mean=mean, std=std, normalize=normalize)
        del self.embedding

    def head(self, features: Tensor) -> Tensor:
        """What follows the features: float32 [N, num_features] -> the same."""
        return F.normalize(features, dim=1) if self.normalize else features


def without_towers(branch: Network) -> Network:
    """The branch without the towers beside it, which are no part of what it gives; the rest of it is shared."""
    if not getattr(branch, "towers", None):
        return branch
    alone = copy.copy(branch)  # its parts are shared, but not the list of them
    alone._modules = {**branch._modules, "towers": nn.ModuleDict()}
    return alone


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, of any module: BatchNorm and dropout stand still; then every part's own mode again.

    Frozen parts of a network that trains stay in evaluation mode after it.
    """
    modes = [(inner, inner.training) for inner in module.modules()]
    module.eval()
    try:
        yield
    finally:
        module.train(modes[0][1])  # some networks drop what they computed for evaluation here, and only here
        for inner, mode in modes:
            inner.training = mode
