"""Augmentation: geometry, ranges and seeding of the whole-batch affine map."""

import numpy as np
import pytest
import torch

from trainer.augment import affine_maps, augment
from trainer.settings import AugmentConfig

OFF = {"rotate_deg": 0.0, "translate": 0.0, "scale": 0.0, "flip": False}
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (32, 9, 15, 3), np.uint8))


def _augment(images: torch.Tensor, seed: int = 0, **ranges: float | bool) -> torch.Tensor:
    return augment(images, AugmentConfig(**(OFF | ranges)), generator=torch.Generator().manual_seed(seed))


def test_no_ranges_change_nothing() -> None:
    """All zero is the same tensor, and a map of zero ranges samples every pixel where it was."""
    assert _augment(IMAGES) is IMAGES
    assert torch.equal(_augment(IMAGES, rotate_deg=1e-9), IMAGES)


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


def test_rotation_of_a_wide_image_does_not_shear_it() -> None:
    """In pixels every map is a rotation: orthogonal columns of length one."""
    height, width = 20, 60
    maps = affine_maps(16, AugmentConfig(**(OFF | {"rotate_deg": 90.0})), aspect=width / height,
                       generator=torch.Generator().manual_seed(0))  # fmt: skip
    to_pixels = torch.diag(torch.tensor([width / 2, height / 2]))
    linear = to_pixels @ maps[:, :, :2] @ to_pixels.inverse()
    torch.testing.assert_close(linear @ linear.mT, torch.eye(2).expand(16, 2, 2), atol=1e-5, rtol=0)
    angles = torch.rad2deg(torch.atan2(linear[:, 1, 0], linear[:, 0, 0]))
    assert angles.abs().max() <= 90
    assert angles.min() < -30 < 30 < angles.max()


def test_scale_is_symmetric_about_one() -> None:
    """scale=1 is between half and twice as large."""
    maps = affine_maps(500, AugmentConfig(**(OFF | {"scale": 1.0})), aspect=1.0,
                       generator=torch.Generator().manual_seed(0))  # fmt: skip
    factors = maps[:, 0, 0]
    assert 0.5 <= factors.min() < 0.55
    assert 1.8 < factors.max() <= 2.0
    assert factors.log().mean().abs() < 0.05


@pytest.mark.parametrize("ranges", [{"rotate_deg": 20.0}, {"translate": 0.2}, {"scale": 0.5}])
def test_augmentation_follows_its_generator(ranges: dict[str, float]) -> None:
    """The same seed the same pixels, another seed others; uint8 of the same shape comes back."""
    first, again, other = _augment(IMAGES, **ranges), _augment(IMAGES, **ranges), _augment(IMAGES, seed=1, **ranges)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.shape, first.dtype) == (IMAGES.shape, torch.uint8)
