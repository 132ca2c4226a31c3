"""Filters and erasure, which only a share of the images gets: beside SciPy, Pillow and torchvision."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from trainer.augment.erasure import draw_rectangles, erase
from trainer.augment.filters import blur, draw_amounts, draw_sigmas, thicken
from trainer.networks.torchvision_guard import guard_torchvision

guard_torchvision()

from torchvision.transforms.v2 import functional as reference  # noqa: E402 - the guard comes before the first import

PLANES = torch.randint(0, 256, (4, 3, 11, 17), generator=torch.Generator().manual_seed(0)).float()


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_full_amounts_are_dilation_and_erosion() -> None:
    """Amount 1 is the 3x3 maximum, -1 the minimum, 0 the image: as SciPy and Pillow see it."""
    seen = thicken(PLANES, torch.tensor([1.0, -1.0, 0.0, 0.5])).numpy()
    planes = PLANES.numpy()
    for channel in range(3):
        np.testing.assert_array_equal(seen[0, channel], maximum_filter(planes[0, channel], 3, mode="nearest"))
        np.testing.assert_array_equal(seen[1, channel], minimum_filter(planes[1, channel], 3, mode="nearest"))
    np.testing.assert_array_equal(seen[2], planes[2])
    np.testing.assert_allclose(seen[3], (planes[3] + thicken(PLANES, torch.ones(4))[3].numpy()) / 2, atol=1e-3)
    pixels = Image.fromarray(planes[0, 0].astype(np.uint8))
    inner = np.s_[1:-1, 1:-1]
    np.testing.assert_array_equal(seen[0, 0][inner], np.asarray(pixels.filter(ImageFilter.MaxFilter(3)))[inner])


def test_amounts_above_zero_make_light_strokes_thicker_and_dark_ones_thinner() -> None:
    """A light line of one pixel becomes three wide; a dark one of three becomes one."""
    light = torch.zeros(1, 1, 9, 9)
    light[..., 4] = 255.0
    assert thicken(light, torch.ones(1))[0, 0, 0].tolist() == [0, 0, 0, 255, 255, 255, 0, 0, 0]
    dark = torch.full((1, 1, 9, 9), 255.0)
    dark[..., 3:6] = 0.0
    assert thicken(dark, torch.ones(1))[0, 0, 0].tolist() == [255, 255, 255, 255, 0, 255, 255, 255, 255]
    assert thicken(dark, -torch.ones(1))[0, 0, 0].tolist() == [255, 255, 0, 0, 0, 0, 0, 255, 255]


@pytest.mark.parametrize(("side", "size"), [(28, 3), (95, 3), (128, 5), (192, 7)])
def test_neighbourhood_grows_with_the_image(side: int, size: int) -> None:
    """A dot becomes a square as large, in proportion, at every size."""
    dot = torch.zeros(1, 1, side, side + 10)
    dot[0, 0, side // 2, side // 2] = 1.0
    assert thicken(dot, torch.ones(1)).sum() == size**2


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
def test_images_of_one_pixel_are_no_special_case(shape: tuple[int, int]) -> None:
    """Neighbours that do not exist are left out, by strokes, blur and erasure alike."""
    planes = torch.rand(2, 3, *shape, generator=_generator())
    height, width = shape
    assert (thicken(planes, torch.ones(2)) >= planes).all()
    assert blur(planes, torch.tensor([0.5, 2.0])).shape == planes.shape
    _, rectangles = draw_rectangles(2, 1.0, height=height, width=width, generator=_generator())
    assert erase(planes, rectangles).shape == planes.shape


def test_blur_agrees_with_scipy() -> None:
    """Each image by its own standard deviation, the border repeated; SciPy cuts at four of them, ours at three."""
    sigmas = torch.tensor([0.05, 0.6, 1.0, 1.8])
    seen = blur(PLANES, sigmas).numpy()
    for image, sigma in enumerate(sigmas.tolist()):
        for channel in range(3):
            expected = gaussian_filter(PLANES[image, channel].double().numpy(), sigma, mode="nearest")
            np.testing.assert_allclose(seen[image, channel], expected, atol=0.8)
    np.testing.assert_allclose(seen[0], PLANES[0].numpy(), atol=1e-3)


def test_blur_agrees_with_torchvision() -> None:
    """Inside, where its reflected border is not seen, to a hundredth of a level."""
    planes = torch.randint(0, 256, (1, 3, 30, 40), generator=_generator()).float()
    expected = reference.gaussian_blur(planes, kernel_size=[9, 9], sigma=[1.3, 1.3])  # 3 sigma: 4 px either way
    inner = np.s_[..., 4:-4, 4:-4]
    torch.testing.assert_close(blur(planes, torch.tensor([1.3]))[inner], expected[inner], atol=0.01, rtol=0)


def test_blur_keeps_the_mean_and_lowers_the_contrast() -> None:
    """More so the wider it is; a plain image stays what it is."""
    planes = PLANES[:1].expand(3, 3, 11, 17)
    spread = blur(planes, torch.tensor([0.3, 1.0, 2.0])).std(dim=(1, 2, 3))
    assert PLANES[0].std() > spread[0] > spread[1] > spread[2]
    plain = torch.full((1, 3, 8, 8), 77.0)
    torch.testing.assert_close(blur(plain, torch.tensor([2.0])), plain)


@pytest.mark.parametrize("side", [28, 64, 112])
def test_sigmas_are_in_proportion_to_the_side(side: int) -> None:
    """0.1 to 2 px at 64 px."""
    chosen, sigmas = draw_sigmas(1000, 1.0, side, generator=_generator())
    assert len(chosen) == len(sigmas) == 1000
    assert 0.1 * side / 64 <= sigmas.min() < 0.15 * side / 64
    assert 1.95 * side / 64 < sigmas.max() <= 2 * side / 64


def test_erase_agrees_with_torchvision() -> None:
    """The same rectangle filled with the same colour: the mean of that image, not of the batch."""
    rectangles = torch.tensor([[0.0, 0, 3, 4], [2, 5, 9, 17], [10, 16, 11, 17], [0, 0, 11, 17]])
    seen = erase(PLANES, rectangles)
    for image, (top, left, bottom, right) in enumerate(rectangles.int().tolist()):
        colour = PLANES[image].mean(dim=(1, 2)).view(3, 1, 1)
        expected = reference.erase(PLANES[image], top, left, bottom - top, right - left, colour)
        torch.testing.assert_close(seen[image], expected)


def test_rectangles_keep_their_areas_aspects_and_places() -> None:
    """2 to 20 % of the area and 0.3 to 3.3 times as high as wide, up to the rounding; inside, and everywhere inside."""
    height, width = 200, 240
    chosen, rectangles = draw_rectangles(2000, 1.0, height=height, width=width, generator=_generator())
    assert len(chosen) == 2000
    top, left, bottom, right = rectangles.T
    assert ((top >= 0) & (left >= 0) & (bottom <= height) & (right <= width)).all()
    assert (top.min(), left.min(), bottom.max(), right.max()) == (0, 0, height, width)
    areas, aspects = (bottom - top) * (right - left) / (height * width), (bottom - top) / (right - left)
    assert 0.019 < areas.min() < 0.022
    assert 0.195 < areas.max() < 0.205
    assert 0.28 < aspects.min() < 0.32
    assert 3.1 < aspects.max() < 3.5
    assert aspects.log().mean().abs() < 0.05


def test_rectangles_of_a_narrow_image_stay_inside() -> None:
    """What would be longer than the image is cut to it."""
    _, rectangles = draw_rectangles(300, 1.0, height=6, width=90, generator=_generator())
    assert (rectangles[:, 2] <= 6).all()
    assert (rectangles[:, 3] <= 90).all()
    assert ((rectangles[:, 2:] - rectangles[:, :2]) >= 1).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_shares_are_honoured(share: float) -> None:
    """About that share of the images, each once; none at zero, all at one; both directions of strokes."""
    drawn = {
        "strokes": draw_amounts(2000, share, generator=_generator(1)),
        "blur": draw_sigmas(2000, share, 64, generator=_generator(2)),
        "erasure": draw_rectangles(2000, share, height=20, width=30, generator=_generator(3)),
    }
    for chosen, how in drawn.values():
        assert len(chosen) == len(how) == len(chosen.unique())
        assert len(chosen) / 2000 == pytest.approx(share, abs=0.03 * math.ceil(share % 1))
    amounts = drawn["strokes"][1]
    if share:
        assert -1 <= amounts.min() < -0.95 < 0.95 < amounts.max() <= 1
