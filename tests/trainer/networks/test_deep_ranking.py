"""The deep-ranking network: its parts against plain loops, Pillow and torch, and VGG-16 as published."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from artifact.errors import UsageError
from trainer.networks.base_networks import BaseNetwork, branch_of, build_base
from trainer.networks.branch import evaluating
from trainer.networks.deep_ranking import DeepRanking, ShallowTrunk, Smaller, triangle_filter
from trainer.networks.layers import find_layers


def _network(name: str = "deep_ranking:conv4", **options: object) -> BaseNetwork:
    torch.manual_seed(0)
    return build_base(name, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("side", "times"), [(64, 4), (64, 8), (61, 4), (30, 8), (224, 4), (9, 8), (3, 8)])
def test_smaller_image_is_pillows_antialiased_bilinear(side: int, times: int) -> None:
    """Each channel as Pillow resizes a plane of floats, whether or not the side is a multiple."""
    planes = np.random.default_rng(side).random((2, 3, side, side), np.float32)
    got = Smaller(times, side)(torch.from_numpy(planes)).numpy()
    smaller = max(1, round(side / times))
    for image, channel in np.ndindex(2, 3):
        expected = Image.fromarray(planes[image, channel]).resize((smaller, smaller), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(got[image, channel], np.asarray(expected), atol=2e-6)


def test_smaller_image_of_another_side_is_made_as_it_comes() -> None:
    """Training may begin with smaller images than the network was made for."""
    images = torch.rand(1, 3, 40, 40)
    torch.testing.assert_close(Smaller(4, 64)(images), Smaller(4, 40)(images))
    assert triangle_filter(40, 10).sum(dim=1).tolist() == pytest.approx([1] * 10)


@pytest.mark.parametrize("side", [224, 100, 64, 28])
@pytest.mark.parametrize(("times", "pool", "pool_stride"), [(4, 3, 4), (8, 7, 2)])
def test_shallow_trunk_is_a_plain_loop(side: int, times: int, pool: int, pool_stride: int) -> None:
    """Convolution, ReLU and pooling position by position, with as many positions as begin within the map."""
    torch.manual_seed(1)
    trunk = ShallowTrunk(times=times, side=side, pool=pool, pool_stride=pool_stride)
    images = torch.randn(1, 3, side, side)
    small = trunk.smaller(images)[0].numpy()
    weight, bias = trunk.convolution.weight.detach().numpy(), trunk.convolution.bias.detach().numpy()  # type: ignore[union-attr]
    stride = max(1, round(4 * side / 224))
    maps = _windows(small, 8, stride, lambda window: np.maximum(0, (weight * window).sum(axis=(1, 2, 3)) + bias))
    expected = _windows(maps, pool, pool_stride, lambda window: window.max(axis=(1, 2)))
    with torch.no_grad():
        got = trunk(images)[0].numpy()
    np.testing.assert_allclose(got, expected.ravel(), rtol=1e-3, atol=1e-4)
    assert len(got) == 1536 or side < 200


def _windows(maps: np.ndarray, kernel: int, stride: int, of: object) -> np.ndarray:
    """The value of each window, [C, H, W] -> [C', H', W'], zeros around as evenly as they go, one more behind."""
    side = maps.shape[1]
    count = -(-side // stride)
    whole = max(0, (count - 1) * stride + kernel - side)
    padded = np.pad(maps, ((0, 0), *[(whole // 2, whole - whole // 2)] * 2))
    rows = [
        [of(padded[:, y * stride : y * stride + kernel, x * stride : x * stride + kernel]) for x in range(count)]  # type: ignore[operator]
        for y in range(count)
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def test_vector_of_each_trunk_has_unit_length_and_stands_beside_the_others() -> None:
    """The deep trunk's are those it gives alone, put on the unit sphere; a black image gives no NaN."""
    base = _network(size=32)
    assert isinstance(base.module, DeepRanking)
    images = torch.randn(4, 3, 32, 32)
    with evaluating(base.module), torch.no_grad():
        features, alone = base.module(images), base.module.trunk(images)
        widths = [alone.shape[1], *(trunk(images).shape[1] for trunk in base.module.shallow.values())]
        black = base.module(torch.zeros(1, 3, 32, 32))
    assert features.shape == (4, base.num_features) == (4, sum(widths))
    parts = features.split(widths, dim=1)
    torch.testing.assert_close(parts[0], alone / alone.norm(dim=1, keepdim=True))
    for part in parts:
        torch.testing.assert_close(part.norm(dim=1), torch.ones(4))
    assert torch.isfinite(black).all()


def test_deep_trunk_keeps_its_stages_and_the_shallow_ones_are_set_free_with_the_last() -> None:
    """So freezing and the rates of stages are those of the trunk alone."""
    base, alone = _network("deep_ranking:resnet18", size=64), _network("resnet18", size=64)
    assert base.stages.names == alone.stages.names
    for name, _ in alone.module.named_parameters():
        assert base.stages.of_parameter(f"trunk.{name}") == alone.stages.of_parameter(name)
    of_shallow = {base.stages.of_parameter(f"shallow.{name}.convolution.weight") for name in ("quarter", "eighth")}
    assert of_shallow == {len(alone.stages) - 1}
    assert (base.family, base.size) == (alone.family, alone.size)


@pytest.mark.parametrize(("options", "features"), [({"cut": 2}, 64), ({"pooling": "max"}, 512), ({"cut": 3}, 128)])
def test_cut_and_pooling_are_the_deep_trunks(options: dict[str, object], features: int) -> None:
    """They take apart what stands beside the shallow trunks, which stay."""
    base = _network("deep_ranking:resnet18", size=64, **options)
    assert base.num_features == features + 2 * 1536
    assert (base.cut, base.pooling) == (options.get("cut"), options.get("pooling"))


@pytest.mark.parametrize("cut", ["blocks.5", "trunk.blocks.5", "@6"])
def test_a_cut_names_a_layer_of_the_trunk_as_it_is_listed_or_as_its_own(cut: str) -> None:
    """Both mean the same, by name and by number."""
    whole = find_layers(_network("deep_ranking:conv4").module, torch.zeros(1, 3, 32, 32))
    assert whole[5].name == "trunk.blocks.5"
    base = _network("deep_ranking:conv4", cut=cut)
    assert base.cut == "blocks.5"
    assert base.num_features == 64 + 2 * 1536


@pytest.mark.parametrize("cut", ["shallow.quarter", "trunk.block.5", "trunk", "@19"])
def test_only_the_trunk_can_be_cut(cut: str) -> None:
    """What is no layer of it is refused with names as they are listed."""
    expected = r"@1\.\.@17" if cut == "@19" else "(such as .*trunk\\.blocks|one of its layers)"
    with pytest.raises(UsageError, match=expected):
        _network("deep_ranking:conv4", cut=cut)


def test_weights_of_a_file_are_the_deep_trunks(tmp_path: object) -> None:
    """The file of the network alone fits."""
    alone = _network("resnet18", size=64)
    path = tmp_path / "weights.pt"  # type: ignore[operator]
    torch.save(alone.module.state_dict(), path)
    torch.manual_seed(9)
    base = build_base("deep_ranking:resnet18", size=64, weights=path)
    assert isinstance(base.module, DeepRanking)
    for name, value in alone.module.state_dict().items():
        assert torch.equal(value, base.module.trunk.state_dict()[name])
    assert base.weights == "file weights.pt"


def test_smaller_images_of_a_run_give_as_many_features() -> None:
    """Progressive resizing asks for it; maps of smaller images are enlarged."""
    assert _network("deep_ranking:conv4", size=64).takes(40)


def test_a_users_own_network_may_be_the_deep_trunk(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Its name has a colon of its own; nothing is said of its weights, which are its own affair."""
    text = "import torch\ndef net():\n    m = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3)); m.size = 32; return m\n"
    (tmp_path / "own_trunk.py").write_text(text)  # type: ignore[operator]
    monkeypatch.syspath_prepend(tmp_path)
    base = _network("deep_ranking:own_trunk:net")
    assert (base.size, base.name) == (32, "deep_ranking:own_trunk:net")
    assert base.untrained_notes == (
        "the shallow trunks of deep_ranking:own_trunk:net have random weights and are not trained: "
        "train it, or take its deep trunk alone",
    )
    assert _network("deep_ranking:conv4").untrained_notes[0].startswith("the weights of deep_ranking:conv4 are random")


def test_shallow_trunks_are_new_whatever_weights_the_deep_one_has(tmp_path: Path) -> None:
    """Published or of a file, they are none of theirs."""
    save_file(build_base("conv4").module.state_dict(), tmp_path / "conv4.safetensors")
    loaded = _network("deep_ranking:conv4", weights=tmp_path / "conv4.safetensors")
    assert loaded.untrained_notes[0].startswith("the shallow trunks of deep_ranking:conv4 have random weights")
    assert build_base("conv4", weights=tmp_path / "conv4.safetensors").untrained_notes == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "deep_ranking:",
            "deep trunk of deep_ranking: expected the name of another base network, as in deep_ranking:resnet18, got "
            "'' (--base); deep_ranking alone has vgg16",
        ),
        (
            "deep_ranking:deep_ranking",
            "deep trunk of deep_ranking: expected the name of another base network, as in deep_ranking:resnet18, got "
            "'deep_ranking' (--base); deep_ranking alone has vgg16",
        ),
        (
            "deep_ranking:resnet19",
            "base network: expected conv4, pixels, deep_ranking or a name of timm, got 'deep_ranking:resnet19' "
            "(--base); nearest: deep_ranking:resnet18, ",
        ),
        (
            "deep_rank",
            "base network: expected conv4, pixels, deep_ranking or a name of timm, got 'deep_rank' (--base); nearest: ",
        ),
    ],
)
def test_a_trunk_that_is_none_is_one_line(name: str, message: str) -> None:
    """With the nearest name, prefix included."""
    with pytest.raises(UsageError) as error:
        build_base(name)
    assert str(error.value).startswith(message)


@pytest.mark.slow
def test_vgg_16_at_224_px_is_the_network_as_published() -> None:
    """163,661,824 parameters with the embedding layer of 4,096: what each part has, and one forward pass."""
    base = _network("deep_ranking")
    assert base.size == 224
    branch = branch_of(base, embedding_dim=4096, normalize=True)

    def count(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert isinstance(base.module, DeepRanking)
    assert count(base.module.trunk) == 134_260_544
    assert [count(trunk) for trunk in base.module.shallow.values()] == [18_528, 18_528]
    assert count(branch.embedding) == (4096 + 2 * 1536) * 4096 + 4096 == 29_364_224
    assert count(branch) == 163_661_824
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (1, 224, 224, 3), dtype=torch.uint8, generator=random)
    with evaluating(branch), torch.no_grad():
        vectors = branch(images)
    assert vectors.shape == (1, 4096)
    assert vectors.norm().item() == pytest.approx(1, abs=1e-5)
