"""Cuts and stages of base networks, against what the whole network gives at the same place."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from artifact.errors import UsageError
from trainer.networks.base_networks import BaseNetwork, build_base

CUTS = [
    ("resnet18", 64, 3),
    ("resnet10t", 64, 1),
    ("resnet10t", 64, 5),
    ("convnext_atto", 64, 2),
    ("mobilenetv3_small_100", 64, 1),
    ("mobilenetv3_small_100", 64, 4),
    ("efficientnet_b0", 64, 2),
    ("efficientnet_b0", 64, 4),
    ("vit_tiny_patch16_224", 48, 1),
    ("vit_tiny_patch16_224", 48, 7),
    ("swin_tiny_patch4_window7_224", 56, 2),
]


def _seeded(name: str, **options: object) -> BaseNetwork:
    torch.manual_seed(3)
    return build_base(name, **options)  # type: ignore[arg-type]


def _images(size: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(7))


def _watched(network: nn.Module, end: str, images: Tensor) -> Tensor:
    """What the submodule gives while the whole network runs."""
    seen: list[Tensor] = []
    hook = network.get_submodule(end).register_forward_hook(lambda module, inputs, output: seen.append(output.clone()))
    with torch.no_grad():
        network.eval()(images)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize(("name", "size", "cut"), CUTS)
def test_cut_network_gives_the_pooled_activation_of_the_whole_one(name: str, size: int, cut: int) -> None:
    """The mean over positions of what stands behind that stage in the whole network; patches without class token."""
    whole, base, images = _seeded(name, size=size), _seeded(name, size=size, cut=cut), _images(size)
    activation = _watched(whole.module, whole.stages.names[cut - 1], images)
    if name.startswith("vit"):
        expected = activation[:, 1:].mean(1)
    else:
        expected = activation.mean((1, 2) if name.startswith("swin") else (2, 3))
    with torch.no_grad():
        features = base.module.eval()(images)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-4)
    assert features.shape[1] == base.num_features
    assert base.stages.names == whole.stages.names[:cut]
    assert (base.cut, base.to_dict()["cut"]) == (cut, cut)


@pytest.mark.parametrize(("name", "size", "cut"), [CUTS[1], CUTS[3], CUTS[5], CUTS[8]])
def test_cut_leaves_no_parameter_that_is_not_used(name: str, size: int, cut: int) -> None:
    """Every parameter that is left gets a gradient, and they are those of the kept stages of the whole network."""
    whole, base = _seeded(name, size=size), _seeded(name, size=size, cut=cut)
    base.module(_images(size, 4)).sum().backward()
    assert all(parameter.grad is not None for parameter in base.module.parameters())
    kept = [p.numel() for key, p in whole.module.named_parameters() if whole.stages.of_parameter(key) < cut]
    assert (
        sum(p.numel() for p in base.module.parameters())
        == sum(kept)
        < sum(p.numel() for p in whole.module.parameters())
    )


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_cut_conv4_keeps_its_first_blocks(cut: int) -> None:
    """The blocks one by one, written out, and the mean over what is left."""
    whole, base, images = _seeded("conv4", size=28), _seeded("conv4", size=28, cut=cut), _images(28)
    layers, relus = list(whole.module.eval().get_submodule("blocks").children()), 0
    with torch.no_grad():
        expected = images
        for layer in layers:
            expected = layer(expected.clone())
            relus += isinstance(layer, nn.ReLU)
            if relus == cut:
                break
        torch.testing.assert_close(base.module.eval()(images), expected.mean((2, 3)))
    assert base.num_features == (32, 64, 128, 128)[cut - 1]


def test_local_weights_are_loaded_before_the_cut(tmp_path: Path) -> None:
    """A file of the whole network fits a cut one; its licence, where the file names one, is carried along."""
    whole, images = _seeded("resnet10t", size=32), _images(32)
    save_file(whole.module.state_dict(), tmp_path / "w.safetensors", {"format": "pt", "license": "cc-by-4.0"})
    torch.manual_seed(99)
    base = build_base("resnet10t", size=32, cut=3, weights=tmp_path / "w.safetensors")
    expected = _watched(whole.module, "layer2", images).mean((2, 3))
    with torch.no_grad():
        torch.testing.assert_close(base.module.eval()(images), expected)
    assert (base.weights, base.licence) == ("file w.safetensors", "cc-by-4.0")


@pytest.mark.parametrize(
    ("name", "cut", "message"),
    [
        ("conv4", 5, "cut of conv4: expected 1..4 stages (block1, block2, block3, block4), got 5 (--cut)"),
        (
            "resnet10t",
            0,
            "cut of resnet10t: expected 1..5 stages (act1, layer1, layer2, layer3, layer4), got 0 (--cut)",
        ),
        (
            "crossvit_tiny_240",
            4,
            "base network crossvit_tiny_240 cannot be cut: got some of its stages run side by side (--cut); "
            "leave --cut away",
        ),
    ],
)
def test_impossible_cuts_are_refused_with_the_stages(name: str, cut: int, message: str) -> None:
    """The largest number and the names of the stages are in the line."""
    with pytest.raises(UsageError) as caught:
        build_base(name, size=None if "240" in name else 32, cut=cut)
    assert str(caught.value) == message


def test_stages_hold_what_runs_in_them() -> None:
    """A stem counts with the first stage, a head with the last, tokens of the whole network with the first."""
    resnet, vit = build_base("resnet10t", size=32).stages, build_base("vit_tiny_patch16_224", size=32).stages
    mobile = build_base("mobilenetv3_small_100", size=32, pooling="gem").stages
    assert [resnet.of_parameter(f"{part}.weight") for part in ("conv1.0", "bn1", "layer1.0.conv1")] == [0, 0, 1]
    assert resnet.of_parameter("layer4.0.bn2.bias") == 4
    assert [vit.of_parameter(name) for name in ("cls_token", "pos_embed", "patch_embed.proj.weight")] == [0, 0, 0]
    assert [vit.of_parameter(f"blocks.{block}.attn.qkv.weight") for block in range(12)] == list(range(12))
    assert vit.of_parameter("norm.weight") == 11
    assert [
        mobile.of_parameter(n) for n in ("network.network.conv_stem.weight", "network.network.blocks.2.0.bn1.weight")
    ] == [0, 3]
    assert [mobile.of_parameter(n) for n in ("network.network.conv_head.weight", "pooling.power")] == [4, 4]


def test_building_does_not_depend_on_what_was_drawn_before_nor_change_modes() -> None:
    """One seed, one network, whether cut or not; what comes out is in training mode."""
    for options in ({}, {"cut": 2}, {"pooling": "gem"}):
        first, second = (_seeded("resnet10t", size=32, **options) for _ in range(2))
        assert all(
            torch.equal(a, b)
            for a, b in zip(first.module.state_dict().values(), second.module.state_dict().values(), strict=True)
        )
        assert all(module.training for module in first.module.modules())
        assert all(parameter.grad is None for parameter in first.module.parameters())


def test_what_a_network_keeps_for_evaluation_is_gone_with_new_weights(tmp_path: Path) -> None:
    """LeViT remembers its attention biases in evaluation mode; looking at a network must not leave old ones behind."""
    whole = _seeded("levit_128s", size=64)
    tensors = {
        key: value + 0.5 if "attention_biases" in key else value for key, value in whole.module.state_dict().items()
    }
    save_file(tensors, tmp_path / "w.safetensors")
    base = _seeded("levit_128s", size=64, weights=tmp_path / "w.safetensors")
    whole.module.load_state_dict(tensors)
    with torch.no_grad():
        torch.testing.assert_close(base.module.eval()(_images(64)), whole.module.train().eval()(_images(64)))
    assert all(torch.equal(value, tensors[key]) for key, value in base.module.state_dict().items())
