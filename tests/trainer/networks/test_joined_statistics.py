"""Normalisation layers that count the images of all ranks: the network is the same one after they were put in."""

import sys

import pytest
import torch
from torch import nn

from trainer.networks.base_networks import build_base
from trainer.networks.branch import Branch
from trainer.networks.joined_statistics import joins, with_joined_statistics

NETWORKS = [
    "conv4",
    "resnet10t",
    "efficientnet_lite0",
    "mobilenetv3_small_050",
    "lcnet_035",
    "regnetx_002",
    "resnetv2_18",
    "ghostnet_050",
    "rexnet_100",
    "repghostnet_050",
    "mobilevit_xxs",
]
"""Plain batch normalisation, and timm's with an activation; all families were compared once, each the same."""


@pytest.mark.parametrize("name", NETWORKS)
def test_network_gives_the_same_with_joined_statistics(name: str) -> None:
    """Vectors and names of the weights, also where they are joined twice, as when a stage is set free."""
    torch.manual_seed(0)
    base = build_base(name, size=64)
    branch = Branch(
        base.module, num_features=base.num_features, embedding_dim=8, mean=(0.5,) * 3, std=(0.5,) * 3, normalize=True
    )
    for buffer in branch.buffers():  # statistics that are not those of a new network
        if buffer.is_floating_point() and buffer.ndim == 1:
            buffer.uniform_(0.5, 1.5)
    branch.eval()
    images = torch.randint(0, 256, (2, base.size, base.size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        expected = branch(images)
    names, parameters = list(branch.state_dict()), list(branch.parameters())
    with_joined_statistics(with_joined_statistics(branch))
    layers = [module for module in branch.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert layers
    assert all(isinstance(layer, nn.SyncBatchNorm) and joins(layer) for layer in layers)
    assert list(branch.state_dict()) == names
    assert all(new is old for new, old in zip(branch.parameters(), parameters, strict=True))
    with torch.inference_mode():
        assert torch.equal(branch(images), expected)


def test_drop_paths_and_modes_stay() -> None:
    """What timm's layers hold besides is kept, and a frozen stage stays frozen."""
    from timm.layers import BatchNormAct2d

    layer = BatchNormAct2d(4, act_layer=nn.SiLU, drop_layer=nn.Dropout).eval()
    network = nn.Sequential(nn.Conv2d(3, 4, 1), layer).train()
    layer.eval()
    with_joined_statistics(network)
    assert isinstance(network[1].act, nn.SiLU)
    assert isinstance(network[1].drop, nn.Dropout)
    assert [module.training for module in network] == [True, False]


class Scaled(nn.BatchNorm2d):
    """A user's own layer, whose forward pass does more."""

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(planes)


def test_layers_with_a_forward_pass_of_their_own_are_left_alone() -> None:
    """They normalise the share of their rank, and do what they did."""
    network = nn.Sequential(Scaled(3), nn.BatchNorm2d(3)).eval()
    planes = torch.randn(2, 3, 4, 4)
    expected = network(planes)
    with_joined_statistics(network)
    assert [type(module) for module in network] == [Scaled, nn.SyncBatchNorm]
    assert not joins(network[0])
    assert torch.equal(network(planes), expected)


def test_timm_is_not_imported_for_networks_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """conv4 trains where timm is not installed."""
    monkeypatch.delitem(sys.modules, "timm.layers.norm_act", raising=False)
    with_joined_statistics(nn.Sequential(nn.BatchNorm2d(3)))
    assert "timm.layers.norm_act" not in sys.modules
