"""What layers give of pictures, against hooks on the network itself; which layers are shown, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artifact.errors import DataError, UsageError
from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.networks.branch import evaluating
from trainer.run.layer_maps import of_network, of_run, show_layers, write_maps


def _pictures(size: int, count: int = 2) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8))


def test_maps_are_those_of_the_network() -> None:
    """Channels first, before the next layer writes over them in place; a channel is dead where it is 0 throughout."""
    network, pictures = of_network("conv4", size=28), _pictures(28)
    pixels = torch.from_numpy(np.stack(pictures))
    (normalised, activated) = show_layers(network, pictures, ["blocks.2", "@4"])
    branch = network.branch
    blocks = branch.base.blocks
    with evaluating(branch), torch.no_grad():
        planes = pixels.permute(0, 3, 1, 2).float() * branch.scale + branch.shift
        pooled = blocks[2](blocks[1](blocks[0](planes)))  # type: ignore[index,operator]
    np.testing.assert_allclose(normalised.values, pooled.numpy(), atol=1e-5)
    np.testing.assert_allclose(activated.values, pooled.relu().numpy(), atol=1e-5)
    assert normalised.values.min() < 0
    np.testing.assert_array_equal(activated.dead, (activated.values == 0).all(axis=(0, 2, 3)))


def test_default_layers_end_the_stages() -> None:
    """A block with its shortcut and not the last convolution in it; then the vector."""
    assert [each.name for each in show_layers(of_network("test_resnet", size=64), _pictures(64))] == [
        "act1",
        "layer1",
        "layer2",
        "layer3",
        "layer4",
        "fc",
    ]
    names = [each.name for each in show_layers(of_network("conv4", size=28), _pictures(28))]
    assert names == ["blocks.3", "blocks.7", "blocks.11", "blocks", "flatten"]


def test_tokens_are_squares_without_those_of_no_patch() -> None:
    """And heads are channels."""
    (block,) = show_layers(of_network("test_vit", size=160), _pictures(160), ["blocks.0.attn.q_norm"])
    assert block.values.shape == (2, 64, 10, 10)
    assert block.shape == (2, 101, 32)


def test_layers_of_a_run_are_those_it_was_cut_to(tmp_path: Path) -> None:
    """By the names of its whole network; pooling and vector behind them."""
    run = fit(make_config({"epochs": 0, "base": "conv4", "size": 24, "cut": "blocks.6"}), tmp_path / "run")
    shown = show_layers(of_run(run.path), _pictures(24))
    assert [each.name for each in shown] == ["blocks.3", "blocks.6", "pooling"]
    with torch.no_grad():
        expected = run.branch(torch.from_numpy(np.stack(_pictures(24)))).numpy()
    np.testing.assert_allclose(shown[-1].values, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("base", "size", "settings", "layer", "shape"),
    [
        ("deep_ranking:conv4", 32, {}, "trunk.blocks.3", (2, 32, 16, 16)),
        ("deep_ranking:conv4", 32, {}, "shallow.quarter.convolution", (2, 96, 8, 8)),
        ("own_maps:Chain", 16, {"cut": 1}, "@1", (2, 5, 14, 14)),
        ("test_vit", 160, {"pooling": "max"}, "head", (2, 64, 10, 10)),
    ],
)
def test_maps_of_a_network_that_a_run_has_changed_are_maps(
    base: str,
    size: int,
    settings: dict[str, object],
    layer: str,
    shape: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside other trunks, as a chain of stages, without its own pooling: what is called otherwise there, or is new."""
    (tmp_path / "own_maps.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    run = fit(make_config({"epochs": 0, "base": base, "size": size} | settings), tmp_path / "run")
    (shown,) = show_layers(of_run(run.path), _pictures(size), [layer])
    assert shown.values.shape == shape
    assert show_layers(of_run(run.path), _pictures(size))[-1].values.shape[0] == 2


def test_layers_of_one_word_are_not_mixed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network's own `embedding` and `pooling` beside those that stand behind it."""
    (tmp_path / "own_maps.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "photos").mkdir()
    for number, each in enumerate(_pictures(16, 12)):
        Image.fromarray(each).save(tmp_path / "photos" / f"{number}.png")
    values = {
        "images": tmp_path / "photos",
        "normalize": False,
        "epochs": 0,
        "base": "own_maps:Named",
        "size": 16,
        "head": "pca",
        "dim": 4,
    }
    run = fit(make_config(values), tmp_path / "run")
    pictures = _pictures(16)
    first, pooled, vector = show_layers(of_run(run.path), pictures, ["@1", "@5", "@6"])
    with torch.no_grad():
        pixels = torch.from_numpy(np.stack(pictures))
        np.testing.assert_allclose(vector.values, run.branch(pixels).numpy(), atol=1e-5)
        np.testing.assert_allclose(pooled.values, run.branch.features(pixels).numpy(), atol=1e-6)
    assert (first.name, pooled.name, vector.name) == ("inner.embedding", "pooling", "embedding")
    assert first.values.shape == (2, 5, 16, 16)
    run = fit(make_config(values | {"base": "own_maps:Inner"}), tmp_path / "inner")
    with pytest.raises(
        UsageError, match=r"expected one of them, @1 or @\d, got 'embedding', which is 2 modules \(--layer"
    ):
        show_layers(of_run(run.path), pictures, ["embedding"])


def test_what_cannot_be_shown_is_one_line(tmp_path: Path) -> None:
    """An unknown layer, too many pictures, a picture that is none; no page is left."""
    network = of_network("conv4", size=24)
    page = tmp_path / "p.html"
    (tmp_path / "x.png").write_text("text")
    with pytest.raises(
        UsageError, match=r"^layer of conv4: expected a layer such as blocks.*got 'block.3' \(--layer\)"
    ):
        show_layers(network, _pictures(24), ["block.3"])
    with pytest.raises(UsageError, match=r"^pictures: expected at most 8, got 9 \(--image\)$"):
        write_maps(network, ["x.png"] * 9, page)
    with pytest.raises(DataError, match=r"^picture: got no such file: .*none.png"):
        write_maps(network, [str(tmp_path / "none.png")], page)
    with pytest.raises(DataError, match=r"^picture: got not an image in any of "):
        write_maps(network, [str(tmp_path / "x.png")], page)
    assert not page.exists()


OWN = """
from torch import nn

class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.dense = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 6, 3), nn.Linear(6, 6)
    def stages(self): return [self.first, self.second]
    def forward(self, x): return self.dense(self.second(self.first(x)).mean((2, 3)))

class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.pooling = nn.Conv2d(3, 5, 3, padding=1), nn.MaxPool2d(2)
    def forward(self, x): return self.pooling(self.embedding(x))

class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.last = Inner(), nn.Conv2d(5, 7, 1)
    def forward(self, x): return self.last(self.inner(x))
"""
