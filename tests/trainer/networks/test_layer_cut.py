"""Cuts behind any layer, against what that layer gives while the whole network runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from artifact.errors import UsageError
from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.networks.base_networks import build_base
from trainer.networks.branch import evaluating
from trainer.networks.layer_cut import Axes, LayerCut, axes_of_two
from trainer.networks.layers import find_layers
from trainer.run.saved_run import load_run

CUTS: list[tuple[str, int, str, Any]] = [
    ("conv4", 28, "blocks.4", lambda maps: maps.mean((2, 3))),
    ("conv4", 28, "@7", lambda maps: maps.mean((2, 3))),
    ("conv4", 28, "flatten", lambda features: features),
    ("test_resnet", 32, "layer2.0.bn1", lambda maps: maps.mean((2, 3))),
    ("test_resnet", 32, "global_pool", lambda features: features),
    ("test_convnext", 32, "stages.1.blocks.0.norm", lambda maps: maps.mean((1, 2))),
    ("test_convnext", 32, "head.norm", lambda maps: maps.flatten(1)),
    ("test_vit", 160, "patch_embed", lambda maps: maps.mean((1, 2))),
    ("test_vit", 160, "blocks.1", lambda tokens: tokens[:, 1:].mean(1)),
    ("test_vit", 160, "blocks.1.attn.q_norm", lambda heads: heads[:, :, 1:].mean(2).flatten(1)),
    ("mobilenetv3_small_100", 32, "blocks.0.0.se.conv_reduce", lambda maps: maps.flatten(1)),
]
SLOW_CUTS: list[tuple[str, int, str, Any]] = [
    ("beit_base_patch16_224", 32, "blocks.0.mlp.fc1", lambda tokens: tokens[:, 1:].mean(1)),
    ("vit_tiny_patch16_224", 48, "patch_embed", lambda tokens: tokens.mean(1)),
    ("swin_tiny_patch4_window7_224", 56, "layers.0.blocks.1", lambda maps: maps.mean((1, 2))),
    ("swin_tiny_patch4_window7_224", 56, "patch_embed.proj", lambda maps: maps.mean((2, 3))),
    ("swin_tiny_patch4_window7_224", 56, "layers.1.blocks.0.mlp.fc1", lambda tokens: tokens.mean(1)),
]
"""Of networks that take seconds to build."""


def _seeded(name: str, **options: Any) -> Any:
    torch.manual_seed(3)
    return build_base(name, **options)


def _images(size: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(7))


def _name(network: nn.Module, layer: str, size: int) -> str:
    if not layer.startswith("@"):
        return layer
    return find_layers(network, _images(size, 1))[int(layer[1:]) - 1].name


@pytest.mark.parametrize(
    ("name", "size", "layer", "expected"), [*CUTS, *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW_CUTS)]
)
def test_cut_gives_what_the_layer_gives_in_the_whole_network(name: str, size: int, layer: str, expected: Any) -> None:
    """Positions averaged, every channel of every head and window kept, tokens of no patch left out."""
    whole, base, images = _seeded(name, size=size), _seeded(name, size=size, cut=layer), _images(size)
    seen: list[Tensor] = []
    hook = whole.module.get_submodule(_name(whole.module, layer, size)).register_forward_hook(
        lambda module, inputs, output: seen.append(output.clone())
    )
    with evaluating(whole.module), evaluating(base.module), torch.no_grad():
        whole.module(images)
        features = base.module(images)
    hook.remove()
    torch.testing.assert_close(features, expected(seen[0]), atol=1e-5, rtol=1e-4)
    assert features.shape == (2, base.num_features)


@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [("conv4", 28, "blocks.6"), ("test_resnet", 32, "layer1.0.act1"), ("test_vit", 160, "blocks.0")],
)
def test_nothing_behind_the_layer_is_kept(name: str, size: int, layer: str) -> None:
    """Every parameter that is left has a say in the output, but for codes of position that a patch embedding lacks."""
    base = _seeded(name, size=size, cut=layer)
    base.module(_images(size)).square().sum().backward()
    assert [key for key, value in base.module.named_parameters() if value.grad is None] == []
    assert len(list(base.module.parameters())) < len(list(_seeded(name, size=size).module.parameters()))


def test_stages_end_with_the_one_that_is_left() -> None:
    """Those that begin; what is set free one by one is not more than there is."""
    assert _seeded("test_resnet", size=32, cut="layer2.0.bn1").stages.names == ("act1", "layer1", "layer2")
    assert _seeded("test_resnet", size=32, cut="layer2").stages.names == ("act1", "layer1", "layer2")
    assert _seeded("conv4", size=28, cut="blocks.0").stages.names == ("block1",)


def test_name_is_written_down_where_it_is_enough() -> None:
    """Numbers may be others in another version of a network."""
    base = _seeded("conv4", size=28, cut="@7")
    assert (base.cut, base.to_dict()["cut"]) == ("blocks.6", "blocks.6")


@pytest.mark.parametrize("pooling", ["max", "gem", "flatten"])
def test_maps_of_a_layer_are_pooled_as_any(pooling: str) -> None:
    """Another pooling than the average; a vector has none."""
    base = _seeded("test_resnet", size=32, cut="layer1.0.act1", pooling=pooling)
    channels = _seeded("test_resnet", size=32, cut="layer1.0.act1").num_features
    assert base.num_features == (channels * 8 * 8 if pooling == "flatten" else channels)
    with pytest.raises(UsageError, match="one vector per image already"):
        _seeded("test_resnet", size=32, cut="global_pool", pooling=pooling)


def test_weights_of_a_file_are_those_of_the_whole_network(tmp_path: Path) -> None:
    """They are loaded before the cut."""
    whole = _seeded("test_resnet", size=32)
    save_file(whole.module.state_dict(), tmp_path / "w.safetensors")
    torch.manual_seed(99)
    loaded = build_base("test_resnet", size=32, cut="layer1", weights=tmp_path / "w.safetensors")
    expected = _seeded("test_resnet", size=32, cut="layer1").module.state_dict()
    for key, value in loaded.module.state_dict().items():
        torch.testing.assert_close(value, expected[key])


@pytest.mark.parametrize(
    ("name", "size", "layer", "got"),
    [
        pytest.param(
            "swin_tiny_patch4_window7_224",
            56,
            "layers.0.blocks.0.attn.qkv",
            "float32 [8, 49, 288]",
            marks=pytest.mark.slow,
        ),
        ("own_layers:Odd", 8, "pair", "tuple"),
        ("own_layers:Odd", 8, "whole", "int64 [2, 3, 8, 8]"),
        ("own_layers:Odd", 8, "sum", "float32 [3, 8, 8]"),
    ],
)
def test_outputs_that_are_no_row_an_image_are_refused(
    name: str, size: int, layer: str, got: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows of several images, several tensors, whole numbers, sums over images."""
    (tmp_path / "own_layers.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError) as caught:
        _seeded(name, size=size, cut=layer)
    assert str(caught.value) == (
        f"output of layer {layer} of {name}: expected floating point numbers, one row for each of 2 images, "
        f"got {got} (--cut)"
    )


def test_axes_of_a_network_of_one_size_must_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four axes are a map, as of any user's network; three may be anything."""
    (tmp_path / "own_layers.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    assert _seeded("own_layers:Fixed", size=8, cut="maps").num_features == 3
    with pytest.raises(UsageError, match=r"^axes of layer tokens of own_layers:Fixed: expected positions that can be"):
        _seeded("own_layers:Fixed", size=8, cut="tokens")


def test_only_window_of_an_image_tells_no_positions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger image has more windows of the same size: their positions would pass for channels."""
    (tmp_path / "own_layers.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        UsageError, match=r"^axes of layer windows of own_layers:Windows: .*got \[2, 64, 3\] for 2 images"
    ):
        _seeded("own_layers:Windows", size=8, cut="windows")


def test_axes_that_change_with_the_size_are_positions() -> None:
    """Wherever they stand."""
    assert axes_of_two((2, 8, 4, 4), (1, 8, 8, 8)) == Axes((1,), (2, 3))
    assert axes_of_two((2, 4, 4, 8), (1, 8, 8, 8)) == Axes((3,), (1, 2))
    assert axes_of_two((2, 3, 17, 8), (1, 3, 65, 8)) == Axes((1, 3), (2,))
    assert axes_of_two((2, 8, 1, 1), (1, 8, 1, 1)) == Axes((1, 2, 3), ())


def test_second_run_of_a_layer_is_another_cut() -> None:
    """Behind the first run and behind the second, each by its number."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step = nn.Conv2d(3, 3, 1)

        def forward(self, images: Tensor) -> Tensor:
            vectors: Tensor = self.step(self.step(images)).mean((2, 3))
            return vectors

    network, images = Twice(), _images(4)
    with torch.no_grad():
        once, twice = (LayerCut(network, layer="step", run=run, axes=Axes((1,), (2, 3)))(images) for run in (1, 2))
        torch.testing.assert_close(once, network.step(images))
        torch.testing.assert_close(twice, network.step(network.step(images)))
    assert not network.step._forward_hooks


OWN = """
import torch
from torch import nn

class Whole(nn.Module):
    def forward(self, x): return (x * 10).long()

class Pair(nn.Module):
    def forward(self, x): return x, x

class Sum(nn.Module):
    def forward(self, x): return x.sum(0)

class Same(nn.Module):
    def forward(self, x): return x

class Odd(nn.Module):
    size = 8
    def __init__(self):
        super().__init__()
        self.whole, self.pair, self.sum, self.dense = Whole(), Pair(), Sum(), nn.Linear(3, 4)
    def forward(self, x):
        self.whole(x), self.sum(x)
        return self.dense(self.pair(x)[0].mean((2, 3)))

class Windows(nn.Module):
    size = 8
    def __init__(self):
        super().__init__()
        self.windows, self.dense = Same(), nn.Linear(3, 4)
    def forward(self, x):
        n, k = len(x), x.shape[2] // 8
        windows = x.reshape(n, 3, k, 8, k, 8).permute(0, 2, 4, 3, 5, 1).reshape(n * k * k, 64, 3)
        return self.dense(self.windows(windows).reshape(n, -1, 3).mean(1))

class Fixed(nn.Module):
    size = 8
    def __init__(self):
        super().__init__()
        self.maps, self.tokens, self.dense = Same(), Same(), nn.Linear(3, 4)
    def forward(self, x):
        if x.shape[2] != 8:
            raise ValueError("8 px alone")
        return self.dense(self.tokens(self.maps(x).flatten(2)).mean(2))
"""


def test_a_layer_that_is_called_by_a_number_is_written_down_as_that_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits alone are a number of stages: read back, they would be another network."""
    (tmp_path / "digits.py").write_text(
        "from torch import nn\n\ndef make():\n"
        "    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU())\n"
        "    net.size = 16\n    return net\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for wanted in ("@3", "@1"):
        run = fit(make_config({"epochs": 0, "base": "digits:make", "cut": wanted}), tmp_path / f"run{wanted}")
        assert run.config.cut == wanted
        again = load_run(run.path)
        images = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
        torch.testing.assert_close(again.branch(images), run.branch(images))
