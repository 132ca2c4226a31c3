"""Augmentation of a batch: what is asked for and nothing else, from its generator alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.augment.augmentation import augment
from trainer.augment.colour import draw_tones, recolour
from trainer.augment.warp import draw_moves, warp
from trainer.config.settings import AugmentConfig

OFF = {"rotate_deg": 0.0, "translate": 0.0, "scale": 0.0, "flip": False}
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (32, 36, 60, 3), np.uint8))
EACH = [
    {"rotate_deg": 20.0},
    {"translate": 0.2},
    {"scale": 0.5},
    {"aspect": 0.5},
    {"shear_deg": 20.0},
    {"crop": 0.5},
    {"elastic": 0.1},
    {"thickness": 0.5},
    {"flip": True},
    {"brightness": 0.5},
    {"contrast": 0.5},
    {"saturation": 0.5},
    {"hue": 0.3},
    {"grayscale": 0.5},
    {"blur": 0.5},
    {"erase": 0.5},
]
ALL = {name: value for setting in EACH for name, value in setting.items()}


def _augment(images: torch.Tensor, seed: int = 0, **ranges: float | bool) -> torch.Tensor:
    return augment(images, AugmentConfig(**(OFF | ranges)), generator=torch.Generator().manual_seed(seed))


def _changed(images: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    return (seen != images).flatten(1).any(dim=1)


def test_nothing_asked_for_is_the_batch_itself() -> None:
    """All off is the same tensor, and no random number is taken; so are an empty batch and classes of their own."""
    generator = torch.Generator().manual_seed(4)
    before = generator.get_state()
    assert augment(IMAGES, AugmentConfig(**OFF, turns=True, mirrors=True), generator=generator) is IMAGES
    assert torch.equal(generator.get_state(), before)
    assert augment(IMAGES[:0], AugmentConfig(), generator=generator).shape == (0, 36, 60, 3)


@pytest.mark.parametrize("name", ["rotate_deg", "translate", "scale", "elastic", "brightness", "saturation", "hue"])
def test_ranges_near_zero_change_nothing(name: str) -> None:
    """Every pixel is where it was, in its colour, rounded to what it was."""
    assert torch.equal(_augment(IMAGES, **{name: 1e-7}), IMAGES)


def test_flip_mirrors_about_half_of_the_images() -> None:
    """Each image is exactly itself or exactly its mirror image."""
    flipped = _augment(IMAGES, flip=True)
    same = (flipped == IMAGES).flatten(1).all(dim=1)
    mirrored = (flipped == IMAGES.flip(2)).flatten(1).all(dim=1)
    assert (same ^ mirrored).all()
    assert 5 < int(mirrored.sum()) < 27


def test_shifts_stay_within_their_range() -> None:
    """A bright dot in the middle of 41 px, moved by up to a tenth of the side: 4.1 px, either way."""
    dots = torch.zeros(64, 41, 41, 3, dtype=torch.uint8)
    dots[:, 20, 20] = 255
    moved = _augment(dots, translate=0.1).float().sum(dim=3)
    where = torch.arange(41.0)
    rows = (moved.sum(dim=2) * where).sum(dim=1) / moved.sum(dim=(1, 2))
    columns = (moved.sum(dim=1) * where).sum(dim=1) / moved.sum(dim=(1, 2))
    for centre in (rows, columns):
        assert (centre - 20).abs().max() <= 4.2
        assert (centre - 20).min() < -2 < 2 < (centre - 20).max()


@pytest.mark.parametrize("ranges", [*EACH, ALL], ids=lambda ranges: "+".join(ranges) if len(ranges) < 2 else "all")
def test_augmentation_follows_its_generator(ranges: dict[str, float]) -> None:
    """The same seed the same pixels, another seed others; uint8 of the same shape and layout comes back."""
    before = IMAGES.clone()
    first, again, other = _augment(IMAGES, **ranges), _augment(IMAGES, **ranges), _augment(IMAGES, seed=1, **ranges)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.shape, first.dtype) == (IMAGES.shape, torch.uint8)
    assert first.is_contiguous()
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize("ranges", [*EACH, ALL], ids=lambda ranges: "+".join(ranges) if len(ranges) < 2 else "all")
def test_images_of_a_batch_change_differently(ranges: dict[str, float]) -> None:
    """32 copies of one image: at least two versions, many where the range is continuous."""
    seen = _augment(IMAGES[:1].expand(32, -1, -1, -1), **ranges)
    versions = len(seen.flatten(1).unique(dim=0))
    assert versions >= (2 if ranges.keys() <= {"flip", "grayscale"} else 10)


@pytest.mark.parametrize("name", ["thickness", "grayscale", "blur", "erase"])
def test_shares_of_the_images_change(name: str) -> None:
    """A quarter of 320 images changes and no other pixel does; at a share of one all do, but for blurs too narrow."""
    images = IMAGES.repeat(10, 1, 1, 1)
    seen = _augment(images, **{name: 0.25})
    assert 0.17 < _changed(images, seen).float().mean() < 0.32
    assert _changed(images, _augment(images, **{name: 1.0})).float().mean() > (0.75 if name == "blur" else 0.99)


def test_grayscale_images_have_one_luma_in_three_channels() -> None:
    """As Pillow's mode L, within the level that Pillow's integer weights are off."""
    seen = _augment(IMAGES, grayscale=1.0)
    assert torch.equal(seen[..., 0], seen[..., 1])
    assert torch.equal(seen[..., 0], seen[..., 2])
    expected = np.asarray(Image.fromarray(IMAGES[0].numpy()).convert("L"))
    assert np.abs(seen[0, ..., 0].numpy().astype(int) - expected).max() <= 1


def test_a_setting_leaves_the_others_as_they_were() -> None:
    """With the same seed, erasure on top of moves and colours changes one rectangle of some images and nothing else."""
    moved = _augment(IMAGES, rotate_deg=20.0, brightness=0.3)
    erased = _augment(IMAGES, rotate_deg=20.0, brightness=0.3, erase=0.5)
    kept = (moved == erased).all(dim=3)
    assert kept.flatten(1).all(dim=1).any()
    assert kept.float().mean() > 0.75
    assert not kept.all()


def test_operations_follow_each_other_without_rounding_between() -> None:
    """Moves, then colours, on float planes, rounded once: within half a level, on images that are not square."""
    config = AugmentConfig(rotate_deg=30, contrast=0.5, saturation=0.5)
    generator = torch.Generator().manual_seed(0)
    moves = draw_moves(32, config, generator=generator)
    torch.rand(2, 32, generator=generator)  # what the strokes take, on or off
    tones = draw_tones(32, config, generator=generator)
    planes = recolour(warp(IMAGES.permute(0, 3, 1, 2).float(), moves), tones)
    seen = augment(IMAGES, config, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2).float()
    assert (seen - planes).abs().max() <= 0.501


def test_black_and_white_stay_what_they_are_under_moves() -> None:
    """Rounding never wraps around and the border is repeated: plain images come back plain at both ends."""
    moves = {name: ALL[name] for name in ("rotate_deg", "translate", "scale", "crop", "elastic", "thickness", "blur")}
    for level in (0, 1, 254, 255):
        plain = torch.full((16, 14, 10, 3), level, dtype=torch.uint8)
        assert torch.equal(_augment(plain, **moves), plain)


@pytest.mark.parametrize("ranges", [{}, {"erase": 1.0, "blur": 1.0}, ALL], ids=["nothing", "areas", "all"])
def test_smaller_images_come_back_at_their_side(ranges: dict[str, float]) -> None:
    """Whatever is asked for, nothing included; a plain picture stays what it is."""
    images = torch.full((4, 24, 24, 3), 77, dtype=torch.uint8)
    tones = ("brightness", "contrast", "saturation", "hue")
    config = AugmentConfig(**(OFF | {name: value for name, value in ranges.items() if name not in tones}))
    seen = augment(images, config, generator=torch.Generator().manual_seed(0), side=15)
    assert seen.shape == (4, 15, 15, 3)
    assert bool((seen == 77).all())


def test_a_step_in_half_precision_does_not_coarsen_pixels() -> None:
    """Inside of an autocast region the pixels are the same."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = _augment(IMAGES, **ALL)
    assert torch.equal(inside, _augment(IMAGES, **ALL))
