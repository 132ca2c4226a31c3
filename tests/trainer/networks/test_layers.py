"""Layers of a network: the order in which an image leaves them, their shapes, and what their names mean."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from artifact.errors import UsageError
from trainer.networks.base_networks import build_base
from trainer.networks.layers import find_layers, layer_called


class Twice(nn.Module):
    """One convolution that runs twice, with a module between that gives two tensors; written down in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.first = nn.Conv2d(3, 4, 1)
        self.pair = Pair()
        self.never = nn.Linear(3, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.shared(self.first(images))
        maps, _ = self.pair(maps)
        vectors: Tensor = self.last(self.shared(maps).mean((2, 3)))
        return vectors


class Pair(nn.Module):
    """The same twice."""

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        return maps, maps


def test_layers_stand_in_the_order_in_which_the_image_leaves_them() -> None:
    """Not as they were written down; each run by itself; nothing of what does not run."""
    layers = find_layers(Twice(), torch.zeros(1, 3, 6, 6))
    assert [(each.number, each.name, each.run, each.kind, each.shape, each.num_parameters) for each in layers] == [
        (1, "first", 1, "Conv2d", (1, 4, 6, 6), 16),
        (2, "shared", 1, "Conv2d", (1, 4, 6, 6), 148),
        (3, "pair", 1, "Pair", None, 0),
        (4, "shared", 2, "Conv2d", (1, 4, 6, 6), 148),
        (5, "last", 1, "Linear", (1, 2), 10),
    ]


def test_blocks_stand_behind_the_layers_in_them() -> None:
    """A block gives its output when its last layer has; mode and hooks of the network stay as they were."""
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout(0.5)), nn.Flatten()).train()
    layers = find_layers(network, torch.zeros(1, 3, 4, 4))
    assert [each.name for each in layers] == ["0.0", "0.1", "0", "1"]
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_layer_is_named_or_numbered() -> None:
    """By its name, or @N; one that runs twice by its numbers alone."""
    layers = find_layers(Twice(), torch.zeros(1, 3, 6, 6))
    assert layer_called(layers, "first", network="n").number == 1
    assert layer_called(layers, "@4", network="n").run == 2
    with pytest.raises(UsageError) as caught:
        layer_called(layers, "shared", network="n")
    assert str(caught.value) == "layer of n: expected one run of it, @2 or @4, got 'shared', which runs 2 times (--cut)"


def test_two_modules_of_one_name_are_no_module_that_runs_twice() -> None:
    """A network's own `shared` beside one that stands behind it, as in the branch of a run."""
    layers = [layer for layer in find_layers(Twice(), torch.zeros(1, 3, 6, 6)) if layer.name == "shared"]
    others = [replace(layers[0], number=layer.number + 4) for layer in layers[:1]]
    with pytest.raises(UsageError) as caught:
        layer_called([*layers[:1], *others], "shared", network="n")
    assert str(caught.value) == "layer of n: expected one of them, @2 or @6, got 'shared', which is 2 modules (--cut)"
    with pytest.raises(UsageError, match="expected one of them, @2 or @4 or @6, got 'shared', which is 2 modules"):
        layer_called([*layers, *others], "shared", network="n")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("shard", "layer of n: expected a layer such as shared, got 'shard' (--cut); lookalike layers n lists them"),
        ("never", "layer of n: expected one of its layers, got 'never' (--cut); lookalike layers n lists them"),
        ("@6", "layer of n: expected @1..@5, got '@6' (--cut); lookalike layers n lists them"),
        ("@0", "layer of n: expected @1..@5, got '@0' (--cut); lookalike layers n lists them"),
        ("@²", "layer of n: expected @1..@5, got '@²' (--cut); lookalike layers n lists them"),
    ],
)
def test_unknown_layers_are_answered_with_the_nearest(wanted: str, message: str) -> None:
    """Or with the numbers that there are."""
    with pytest.raises(UsageError) as caught:
        layer_called(find_layers(Twice(), torch.zeros(1, 3, 6, 6)), wanted, network="n")
    assert str(caught.value) == message


def test_parameters_are_those_of_the_network() -> None:
    """The layers without others in them hold all of Conv4's."""
    base = build_base("conv4", size=28)
    layers = find_layers(base.module, torch.zeros(1, 3, 28, 28))
    total = sum(parameter.numel() for parameter in base.module.parameters())
    assert sum(each.num_parameters for each in layers if each.name not in ("blocks",)) == total
