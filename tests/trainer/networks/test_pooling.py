"""Pooling of the last feature map: values, gradients, features of whole networks, and the exported graph."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor, nn

from artifact.errors import UsageError
from artifact.images.preprocessing import Preprocessing
from export.graph import export_branch
from export.parity import check_parity
from trainer.networks.base_networks import MANY_FEATURES, branch_of, build_base
from trainer.networks.branch import evaluating
from trainer.networks.pooling import POOLINGS, FlattenPooling

NEGATIVE = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(2))


def _by_hand(maps: Tensor, pooling: str) -> list[list[float]]:
    """Feature by feature, in a plain loop over positions."""
    images = []
    for image in maps.double():
        positions = [channel.flatten().tolist() for channel in image]
        if pooling == "flatten":
            images.append([value for channel in positions for value in channel])
        elif pooling == "gem":
            images.append(
                [(sum(max(v, 1e-6) ** 3 for v in channel) / len(channel)) ** (1 / 3) for channel in positions]
            )
        else:
            images.append([max(channel) if pooling == "max" else sum(channel) / len(channel) for channel in positions])
    return images


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (2, 5, 12), (2, 5, 1, 1)])
def test_pooling_gives_the_loops_values(pooling: str, shape: tuple[int, ...]) -> None:
    """Maps with negative values, of two axes of positions and of one."""
    maps = NEGATIVE.flatten()[: int(np.prod(shape))].reshape(shape)
    expected = torch.tensor(_by_hand(maps, pooling))
    torch.testing.assert_close(POOLINGS[pooling]().forward(maps).detach(), expected.float(), atol=1e-6, rtol=1e-5)


def test_gem_lies_between_the_mean_and_the_maximum_and_learns_its_power() -> None:
    """p = 1 is the mean, a large p the maximum; the gradient of p is that of the loss, by differences."""
    maps, gem = NEGATIVE.abs().double(), POOLINGS["gem"]().double()
    power = gem.get_parameter("power")
    for value, expected in ((1.0, maps.mean((2, 3))), (300.0, maps.amax((2, 3)))):
        nn.init.constant_(power, value)
        torch.testing.assert_close(gem(maps), expected, atol=0.03, rtol=0.01)
    nn.init.constant_(power, 3.0)
    assert torch.autograd.gradcheck(lambda p: torch.func.functional_call(gem, {"power": p}, maps), power)


@pytest.mark.parametrize(("name", "size"), [("resnet10t", 64), ("vit_tiny_patch16_224", 48), ("conv4", 28)])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_networks_pool_their_last_map_in_the_way_that_was_asked_for(name: str, size: int, pooling: str) -> None:
    """The map as timm gives it, without the class token of patches, pooled by the loop."""
    torch.manual_seed(0)
    whole = build_base(name, size=size)
    torch.manual_seed(0)
    base = build_base(name, size=size, pooling=pooling)
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    network: Any = whole.module.eval()
    with torch.no_grad():
        maps = network.blocks(images) if name == "conv4" else network.forward_features(images)
        maps = maps[:, 1:].transpose(1, 2) if name.startswith("vit") else maps
        features = base.module.eval()(images)
    torch.testing.assert_close(features, torch.tensor(_by_hand(maps, pooling)).float(), atol=1e-5, rtol=1e-4)
    assert features.shape[1] == base.num_features
    assert base.to_dict()["pooling"] == pooling


def test_average_of_a_cnn_is_its_own_pooling() -> None:
    """Where the network averages, `avg` changes nothing, nor `flatten` where it flattens."""
    for name, pooling in (("resnet10t", "avg"), ("conv4", "flatten")):
        torch.manual_seed(0)
        own = build_base(name, size=64)
        torch.manual_seed(0)
        other = build_base(name, size=64, pooling=pooling)
        images = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            torch.testing.assert_close(own.module.eval()(images), other.module.eval()(images), atol=1e-5, rtol=1e-4)
    assert build_base("mobilenetv3_small_050", size=64, pooling="max").num_features == 1024


def test_channels_last_maps_are_pooled_over_positions() -> None:
    """Swin's maps have their channels last: four positions of 768 channels, not the other way round."""
    torch.manual_seed(0)
    base = build_base("swin_tiny_patch4_window7_224", size=56, pooling="max")
    network: Any = base.module.eval().get_submodule("network.network")
    images = torch.randn(1, 3, 56, 56)
    with torch.no_grad():
        maps = network.forward_features(images)
        torch.testing.assert_close(base.module(images), maps.amax((1, 2)))
    assert maps.shape == (1, 2, 2, 768)


@pytest.mark.parametrize(
    ("name", "pooling", "got"),
    [
        ("pit_ti_224", "avg", "1 tokens for 2 x 2 patches"),
        ("deit_tiny_distilled_patch16_224", "gem", "an output of 2 axes"),
    ],
)
def test_networks_without_a_map_are_refused(name: str, pooling: str, got: str) -> None:
    """A pooling over what are no positions would mean nothing."""
    with pytest.raises(UsageError) as caught:
        build_base(name, size=64, pooling=pooling)
    expected = f"base network {name} has no map to pool: got {got} (--pooling); leave --pooling away"
    assert str(caught.value) == expected


def test_unknown_pooling_is_refused() -> None:
    """With the names there are."""
    with pytest.raises(UsageError) as caught:
        build_base("conv4", pooling="mean")
    assert str(caught.value) == "pooling: expected one of avg, max, gem, flatten, got 'mean' (--pooling)"


def test_very_many_features_are_noted() -> None:
    """Flattening a large map is allowed, and said."""
    base = build_base("conv4", size=256, pooling="flatten")
    assert base.num_features == 128 * 32 * 32 > MANY_FEATURES
    assert base.notes == (
        "conv4 gives 131,072 features, the embedding layer has that many weights a neuron; "
        "use --pooling avg, or a smaller --size",
    )
    assert build_base("conv4", size=64, pooling="flatten").notes == ()
    (note,) = build_base("pixels", size=160).notes  # whose advice has to be one that can be followed
    assert note.endswith("that many weights a neuron; use a smaller --size")


@pytest.mark.parametrize(
    ("name", "size", "cut", "pooling"),
    [
        ("conv4", 28, 2, "gem"),
        pytest.param("resnet10t", 48, 3, "max", marks=pytest.mark.slow),
        pytest.param("vit_tiny_patch16_224", 32, 1, "flatten", marks=pytest.mark.slow),
    ],
)
def test_cut_and_pooled_branches_export(name: str, size: int, cut: int | None, pooling: str | None) -> None:
    """The graph gives torch's vectors for batches of 1, 2 and 7 (check_parity), with a learned power that has moved."""
    torch.manual_seed(0)
    base = build_base(name, size=size, cut=cut, pooling=pooling)
    branch = branch_of(base, embedding_dim=6, normalize=True).eval()
    if pooling == "gem":
        nn.init.constant_(branch.get_parameter("base.pooling.power"), 2.3)
    spec, signature = Preprocessing(height=size, width=size), {"kind": "triplet", "mode": "branch"}
    graph = export_branch(branch, preprocessing=spec)
    data = graph.SerializeToString(deterministic=True)
    check_parity(branch, data, preprocessing=spec, distance="euclidean", **signature)
    held = sum(int(np.prod(tensor.dims)) for tensor in graph.graph.initializer if len(tensor.dims) > 1)
    assert held <= sum(p.numel() for p in branch.parameters()) + 3 * size * size * 32


def test_gem_gradients_reach_the_network() -> None:
    """Against torch's own power-average pooling, which has the same formula with sums."""
    maps = NEGATIVE.abs().requires_grad_()
    (first,) = torch.autograd.grad(POOLINGS["gem"]()(maps).square().sum(), maps)
    area = maps.shape[2] * maps.shape[3]
    other = F.lp_pool2d(maps, 3.0, kernel_size=(3, 4)).flatten(1) / area ** (1 / 3)
    (second,) = torch.autograd.grad(other.square().sum(), maps)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("base", "size", "pooling"), [("conv4", 64, None), ("resnet10t", 112, "flatten")])
def test_flattened_maps_of_smaller_images_are_enlarged(base: str, size: int, pooling: str | None) -> None:
    """As many features, which are the map bilinearly enlarged; in full nothing changes, so neither does the graph."""
    torch.manual_seed(0)
    network = build_base(base, size=size, pooling=pooling)
    smaller = torch.rand(2, 3, size * 5 // 8, size * 5 // 8)
    flattenings = [module for module in network.module.modules() if isinstance(module, FlattenPooling)]
    maps: list[Tensor] = []
    handle = flattenings[0].register_forward_pre_hook(lambda _, inputs: maps.append(inputs[0]))
    with torch.inference_mode(), evaluating(network.module):
        features = network.module(smaller)
        network.module(torch.rand(2, 3, size, size))
    handle.remove()
    assert len(flattenings) == 1
    assert maps[0].shape[2:] != maps[1].shape[2:]
    expected = F.interpolate(maps[0], size=maps[1].shape[2:], mode="bilinear")
    assert torch.equal(features, expected.flatten(1))
    assert network.takes(size * 5 // 8)


@pytest.mark.parametrize(("base", "takes"), [("vit_tiny_patch16_224", False), ("resnet10t", True)])
def test_network_says_whether_it_takes_smaller_images(base: str, takes: bool) -> None:
    """Patches have their places, averaged maps have none."""
    assert build_base(base, size=64).takes(40) is takes
