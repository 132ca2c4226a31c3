"""Frozen stages stand still, and features computed once are the features."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from artifact.errors import OutputError
from artifact.images.decoding import Pixels
from trainer.config.settings import AugmentConfig, FreezeConfig, OptimizerConfig
from trainer.networks.base_networks import BaseNetwork, branch_of, build_base
from trainer.networks.branch import Branch
from trainer.weights.freezing import apply_freeze, num_free_stages
from trainer.weights.frozen_features import FrozenFeatures, features_stay
from trainer.weights.optimizers import make_optimizer

SIZE = 32


class Pictures:
    """Random pixels in memory."""

    def __init__(self, count: int) -> None:
        self.values = np.random.default_rng(1).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)

    def __len__(self) -> int:
        return len(self.values)

    def pixels(self, indices: npt.NDArray[np.int64], /) -> Pixels:
        return self.values[indices]


def _branch(name: str, *, normalize: bool = False, **options: object) -> tuple[Branch, BaseNetwork]:
    torch.manual_seed(0)
    base = build_base(name, size=SIZE, **options)  # type: ignore[arg-type]
    branch = branch_of(base, embedding_dim=4, normalize=normalize)
    for module in branch.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    return branch, base


def test_statistics_that_stand_still_stay_while_the_weights_move() -> None:
    """A step moves weights of batch normalisation and none of its statistics; without the setting it moves both."""
    for still in (True, None):
        branch, base = _branch("resnet10t")
        apply_freeze(branch, base, FreezeConfig(statistics=still), 0)
        before = {name: value.clone() for name, value in branch.state_dict().items()}
        optimizer = make_optimizer(branch, OptimizerConfig(learning_rate=0.01), base.stages)
        branch(torch.from_numpy(Pictures(6).values)).square().sum().backward()
        optimizer.step()
        changed = {name for name, value in branch.state_dict().items() if not torch.equal(value, before[name])}
        assert {"base.bn1.weight", "base.conv1.0.weight", "embedding.weight"} <= changed
        assert any(name.endswith("running_mean") for name in changed) is (still is None)


def test_number_of_free_stages_is_a_plain_count() -> None:
    """Against a loop over the epochs that frees one more each time `unfreeze_every` of them have gone by."""
    for epochs in (0, 1, 3):
        for every in (1, 2, 3):
            free, waited, config = 0, 0, FreezeConfig(epochs=epochs, unfreeze_every=every)
            for epoch in range(20):
                if epoch >= epochs:
                    if waited == 0:
                        free = min(5, free + 1)
                    waited = (waited + 1) % every
                assert num_free_stages(epoch, 5, config) == free
    assert [num_free_stages(epoch, 5, FreezeConfig(epochs=2)) for epoch in range(4)] == [0, 0, 5, 5]
    assert num_free_stages(0, 5, FreezeConfig()) == 5


def test_frozen_stages_keep_weights_and_statistics_while_the_rest_trains() -> None:
    """ResNet with its two upper stages free: everything below is bit for bit as it was, everything above has moved."""
    branch, base = _branch("resnet10t")
    config = FreezeConfig(epochs=1, unfreeze_every=1)
    optimizer = make_optimizer(branch, OptimizerConfig(learning_rate=0.01, weight_decay=0.5), base.stages)
    before = {key: value.clone() for key, value in branch.state_dict().items()}
    images = torch.from_numpy(Pictures(8).values)
    assert apply_freeze(branch, base, config, 2) == 2
    for _ in range(2):
        optimizer.zero_grad(set_to_none=True)
        branch(images).square().mean().backward()
        optimizer.step()
    for key, value in branch.state_dict().items():
        moves = key.startswith(("base.layer3", "base.layer4", "embedding"))
        assert torch.equal(value, before[key]) != moves, key


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224"])
def test_frozen_network_gives_in_training_what_it_gives_in_evaluation(name: str) -> None:
    """BatchNorm and dropout of a frozen network stand still although the branch trains."""
    branch, base = _branch(name)
    for module in branch.base.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.5
    images = torch.from_numpy(Pictures(4).values)
    with torch.no_grad():
        trained = branch.train()(images)
        expected = branch.eval()(images)
        assert not torch.allclose(trained, expected)
        apply_freeze(branch, base, FreezeConfig(epochs=9), 3)
        assert branch.training
        assert torch.equal(branch(images), expected)


def test_freezing_depends_on_the_epoch_alone() -> None:
    """Whatever was applied before, and in whatever mode the branch was, an epoch looks the same."""
    config = FreezeConfig(epochs=1, unfreeze_every=2)

    def state(branch: Branch) -> list[tuple[str, bool]]:
        found = [(name, parameter.requires_grad) for name, parameter in branch.named_parameters()]
        return found + [(name, module.training) for name, module in branch.named_modules()]

    walked, base = _branch("conv4")
    for epoch in (0, 1, 2, 3, 4, 9, 2):
        fresh, fresh_base = _branch("conv4")
        apply_freeze(fresh.eval(), fresh_base, config, epoch)
        walked.eval()
        apply_freeze(walked, base, config, epoch)
        assert apply_freeze(walked, base, config, epoch) == num_free_stages(epoch, 4, config)
        assert state(walked) == state(fresh)


def test_parameters_that_the_network_fixed_stay_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting everything free does not set free what the network's author did not want trained."""
    (tmp_path / "fixed_nets.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3))\n"
        "    net[0].bias.requires_grad_(False)\n"
        "    return net\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    branch, base = _branch("fixed_nets:make")
    optimizer = make_optimizer(branch, OptimizerConfig(learning_rate=0.01), base.stages)
    apply_freeze(branch, base, FreezeConfig(), 0)
    fixed = [name for name, parameter in branch.named_parameters() if not parameter.requires_grad]
    assert fixed == ["base.network.0.bias"]
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert id(branch.get_parameter(fixed[0])) not in held
    assert len(held) == 5


@pytest.mark.parametrize(
    ("name", "options"), [("conv4", {"pooling": "flatten"}), ("resnet10t", {"cut": 3, "pooling": "gem"})]
)
@pytest.mark.parametrize("max_memory_bytes", [0, 2**24])
def test_frozen_features_lead_to_the_branchs_vectors(
    name: str, options: dict[str, object], max_memory_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory or in a file that has no name: within 1e-5 of the whole branch, at any rows, in any order."""
    branch, base = _branch(name, normalize=True, **options)
    pictures = Pictures(150)
    apply_freeze(branch, base, FreezeConfig(epochs=5), 0)
    monkeypatch.setattr("trainer.weights.frozen_features.MAX_MEMORY_BYTES", max_memory_bytes)
    features = FrozenFeatures(branch, pictures, folder=tmp_path)
    assert features.in_memory == (max_memory_bytes > 0)
    assert list(tmp_path.iterdir()) == []
    assert branch.training
    assert not branch.base.training
    rows = np.array([149, 3, 3, 0, 77])
    with torch.no_grad():
        expected = branch.eval()(torch.from_numpy(pictures.values[rows]))
        torch.testing.assert_close(branch.head(features.rows(rows)), expected, atol=1e-5, rtol=0)
    assert features.rows(rows).dtype == torch.float32


def test_training_on_frozen_features_is_training_the_branch(tmp_path: Path) -> None:
    """The embedding layer ends where it ends when every step runs the frozen network."""
    weights = []
    for cached in (False, True):
        branch, base = _branch("resnet10t")
        optimizer = make_optimizer(branch, OptimizerConfig(learning_rate=0.01), base.stages)
        apply_freeze(branch, base, FreezeConfig(epochs=1), 0)
        pictures = Pictures(20)
        features = FrozenFeatures(branch, pictures, folder=tmp_path)
        for step in range(4):
            rows = np.arange(step, step + 16, dtype=np.int64)
            pixels = torch.from_numpy(pictures.pixels(rows))
            vectors = branch.head(features.rows(rows)) if cached else branch(pixels)
            optimizer.zero_grad(set_to_none=True)
            (vectors - 1).square().mean().backward()
            optimizer.step()
        weights.append(branch.embedding.weight.detach())
    torch.testing.assert_close(weights[0], weights[1], atol=1e-5, rtol=0)


def test_features_stay_only_while_network_and_images_do() -> None:
    """Augmentation that changes pixels, or a stage that trains, ends it; turned images are images of their own."""
    still = AugmentConfig(rotate_deg=0, translate=0, scale=0, turns=True)
    freeze = FreezeConfig(epochs=2, unfreeze_every=1)
    assert [features_stay(epoch, freeze, still) for epoch in range(4)] == [True, True, False, False]
    assert not features_stay(0, freeze, AugmentConfig())
    assert not features_stay(0, FreezeConfig(), still)


def test_no_room_for_features_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is not there, as a stand-in for a full disk."""
    branch, _ = _branch("conv4")
    monkeypatch.setattr("trainer.weights.frozen_features.MAX_MEMORY_BYTES", 0)
    with pytest.raises(OutputError) as caught:
        FrozenFeatures(branch, Pictures(3), folder=tmp_path / "gone")
    assert str(caught.value) == (
        f"features of all images: expected room for 0 MB, got No such file or directory ({tmp_path / 'gone'})"
    )
