"""Sizes of inputs that were left open, by rule and in networks of many families."""

from pathlib import Path

import pytest
import torch

from tests.shared.class_folders import write_noise
from trainer.config.config import make_config
from trainer.loop.preparation import prepare
from trainer.networks.base_networks import BaseNetwork, build_base
from trainer.networks.input_size import chosen_size, sizes_from


@pytest.mark.parametrize(
    ("images_px", "natural", "step", "size"),
    [
        (64, 176, 32, 64),
        (28, 224, 32, 32),
        (8, 224, 32, 32),
        (8, 224, 1, 16),
        (33, 224, 32, 32),
        (48, 224, 32, 64),
        (105, 224, 32, 96),
        (96, 224, 16, 96),
        (500, 176, 32, 176),
        (250, 260, 32, 256),
        (256, 260, 32, 256),
        (259, 260, 1, 259),
        (20, 240, 64, 64),
    ],
)
def test_size_is_the_nearest_multiple_of_the_step_up_to_the_natural_one(
    images_px: int, natural: int, step: int, size: int
) -> None:
    """Against a search through all multiples; ties go up."""
    assert chosen_size(images_px, natural=natural, step=step, trained=False) == size
    multiples = [side for side in range(step, 4 * natural, step) if side >= 16]
    nearest = min(multiples, key=lambda side: (abs(side - images_px), -side))
    assert size == min(nearest, natural)


def test_trained_weights_and_unknown_images_mean_the_natural_size() -> None:
    """What weights were trained at is what they know."""
    assert chosen_size(64, natural=224, step=32, trained=True) == 224
    assert chosen_size(None, natural=224, step=32, trained=False) == 224


def test_sizes_to_try_end_at_the_natural_one() -> None:
    """Each once, in order."""
    assert list(sizes_from(64, natural=176, step=32)) == [64, 96, 128, 160, 176]
    assert list(sizes_from(176, natural=176, step=32)) == [176]
    assert list(sizes_from(32, natural=64, step=32)) == [32, 64]


def _fresh(name: str, images_px: int, **options: bool) -> BaseNetwork:
    torch.manual_seed(0)
    return build_base(name, fresh=True, images_px=images_px, **options)


@pytest.mark.parametrize(
    ("name", "images_px", "size"),
    [
        ("conv4", 28, 28),
        ("conv4", 300, 64),
        ("resnet10t", 64, 64),
        ("resnet10t", 500, 176),
        ("mobilenetv3_small_050", 100, 96),
        ("vit_tiny_patch16_224", 50, 48),
        ("vit_tiny_patch16_224", 28, 32),
        ("deit_tiny_patch16_224", 9, 16),
        pytest.param("swin_tiny_patch4_window7_224", 64, 64, marks=pytest.mark.slow),
        pytest.param("convnext_atto", 64, 64, marks=pytest.mark.slow),
        pytest.param("xcit_nano_12_p16_224", 50, 48, marks=pytest.mark.slow),
        pytest.param("levit_128s", 64, 64, marks=pytest.mark.slow),
        pytest.param("inception_v3", 32, 96, marks=pytest.mark.slow),  # 32 and 64 px leave its kernels nothing
        pytest.param("crossvit_tiny_240", 64, 240, marks=pytest.mark.slow),  # takes its own size only
        pytest.param("efficientformer_l1", 64, 224, marks=pytest.mark.slow),
    ],
)
def test_fresh_networks_take_the_images_size_as_far_as_they_can(name: str, images_px: int, size: int) -> None:
    """The chosen size runs, and only it decides the random weights: given by name it makes the same network."""
    base = _fresh(name, images_px)
    assert base.size == size
    torch.manual_seed(0)
    other = build_base(name, size=size, pooling=base.pooling)
    images = torch.rand(2, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(base.module.eval()(images), other.module.eval()(images), rtol=0, atol=0)


def test_size_that_is_given_is_not_chosen() -> None:
    """Not a multiple of anything, and larger than the images."""
    assert build_base("resnet10t", size=50, fresh=True, images_px=28).size == 50


def test_a_run_takes_the_size_of_its_images(tmp_path: Path) -> None:
    """Small pictures make a small input of a timm network; a run that goes on is not asked again."""
    for index in range(8):
        write_noise(tmp_path / "images" / f"{index % 2}" / f"{index}.png", index, size=(40, 36))
    config = make_config({"images": tmp_path / "images", "kind": "triplet", "base": "test_resnet", "max_disk_mb": 0})
    config = config.model_copy(update={"validation": "none"})
    prepared = prepare(config, report=lambda event: None)
    assert (prepared.config.size, prepared.base.size, prepared.train.pixels(prepared.train.labels[:1]).shape[1]) == (
        (32, 32, 32)
    )
    assert prepare(config, report=lambda event: None, resuming=True).config.size == 160
