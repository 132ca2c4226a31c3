"""Fresh networks: the pooling that was left open, and the family that rates go by."""

import pytest
import torch
from safetensors.torch import save_file

from trainer.config.rates import Family
from trainer.networks.base_networks import build_base


@pytest.mark.parametrize(
    ("name", "size", "pooling", "features"),
    [
        ("resnet10t", 64, "flatten", 512 * 2 * 2),
        ("resnet10t", 128, "flatten", 512 * 4 * 4),
        ("resnet10t", 129, None, 512),  # a map of 5 x 5
        ("resnet10t", 32, None, 512),  # one position is its own average
        ("mobilenetv3_small_050", 64, "flatten", 1024 * 2 * 2),
        ("vit_tiny_patch16_224", 64, None, 192),
        ("conv4", 32, None, 128 * 4 * 4),
        pytest.param("swin_tiny_patch4_window7_224", 64, None, 768, marks=pytest.mark.slow),
        pytest.param("vgg11", 64, None, 4096, marks=pytest.mark.slow),  # its head makes a map of one position
    ],
)
def test_small_maps_of_random_convolutions_are_flattened(
    name: str, size: int, pooling: str | None, features: int
) -> None:
    """Where a shape stands is information; tokens have no map, and what flattens by itself needs no word."""
    base = build_base(name, size=size, fresh=True)
    assert (base.pooling, base.num_features) == (pooling, features)
    assert base.to_dict().get("pooling") == pooling


def test_pooling_that_is_given_cut_or_built_again_is_not_chosen() -> None:
    """Nor where nothing is about to be trained: runs of before are built as they were."""
    assert build_base("resnet10t", size=64, fresh=True, pooling="avg").pooling == "avg"
    assert build_base("resnet10t", size=64, fresh=True, cut=3).pooling is None
    assert build_base("resnet10t", size=64).pooling is None


def test_trained_weights_keep_the_pooling_that_they_were_trained_with(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A local file is taken for trained, as published weights are."""
    file = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_file(build_base("resnet10t", size=64).module.state_dict(), file)
    base = build_base("resnet10t", size=64, weights=file, fresh=True)
    assert (base.pooling, base.trained, base.pretrained) == (None, True, False)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("conv4", "conv4"),
        ("resnet10t", "convolutions"),
        ("test_efficientnet", "convolutions"),
        ("vit_tiny_patch16_224", "patches"),
        ("torch.nn:Flatten", "own"),
        pytest.param("swin_tiny_patch4_window7_224", "patches", marks=pytest.mark.slow),
        pytest.param("convnext_atto", "convolutions", marks=pytest.mark.slow),
        pytest.param("mixer_s16_224", "patches", marks=pytest.mark.slow),
    ],
)
def test_family_is_read_off_the_features(name: str, family: Family) -> None:
    """No list of names: a map with its channels first is convolutions', anything else patches'."""
    assert build_base(name, size=64, fresh=True).family == family


def test_looking_at_a_network_changes_nothing_of_it() -> None:
    """Its first weights are those of the network that nothing was chosen for, and it is in training mode."""
    torch.manual_seed(0)
    fresh = build_base("resnet10t", size=256, fresh=True)
    torch.manual_seed(0)
    plain = build_base("resnet10t", size=256)
    assert fresh.module.training
    for key, value in plain.module.state_dict().items():
        assert torch.equal(fresh.module.state_dict()[key], value)
