"""Colours of images: every kind in its direction, beside torchvision, Pillow and a plain loop."""

import colorsys
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from trainer.augment.colour import LUMA, Tones, colour_matrices, draw_tones, has_tones, recolour
from trainer.config.settings import AugmentConfig
from trainer.networks.torchvision_guard import guard_torchvision

guard_torchvision()

from torchvision.transforms.v2 import functional as reference  # noqa: E402 - the guard comes before the first import

OFF = {"rotate_deg": 0.0, "translate": 0.0, "scale": 0.0}
# pixels of three images that are not square, far enough from black and white that nothing is cut
PLANES = torch.randint(70, 150, (3, 3, 6, 9), generator=torch.Generator().manual_seed(0)).float()


def _tones(count: int = 3, **values: float) -> Tones:
    neutral = {"hue": 0.0, "saturation": 1.0, "contrast": 1.0, "brightness": 1.0}
    return Tones(**{name: torch.full((count,), value) for name, value in (neutral | values).items()})


def test_neutral_tones_change_nothing() -> None:
    """No turn and factors of one: the same colours."""
    torch.testing.assert_close(recolour(PLANES, _tones()), PLANES, atol=1e-3, rtol=0)


@pytest.mark.parametrize("factor", [0.6, 1.5])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_factors_agree_with_torchvision(name: str, factor: float) -> None:
    """Each factor alone; torchvision's weights of the luma are rounded to four digits."""
    expected = getattr(reference, f"adjust_{name}")(PLANES / 255, factor) * 255
    torch.testing.assert_close(recolour(PLANES, _tones(**{name: factor})), expected, atol=0.1, rtol=0)


@pytest.mark.parametrize("name", ["Brightness", "Contrast", "Color"])
def test_factors_agree_with_pillow(name: str) -> None:
    """Within the two levels that Pillow loses by rounding the luma and the result."""
    pixels = PLANES[0].permute(1, 2, 0).to(torch.uint8).numpy()
    expected = np.asarray(getattr(ImageEnhance, name)(Image.fromarray(pixels)).enhance(1.3))
    ours = recolour(PLANES[:1], _tones(1, **{{"Color": "saturation"}.get(name, name.lower()): 1.3}))
    assert np.abs(ours[0].permute(1, 2, 0).numpy() - expected).max() <= 2


def test_no_saturation_is_the_luma() -> None:
    """Grey as Pillow's mode L has it, in all three planes."""
    grey = recolour(PLANES, _tones(saturation=0.0))
    expected = (PLANES * torch.tensor(LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True).expand_as(PLANES)
    torch.testing.assert_close(grey, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("turn", [-0.25, 0.1, 0.5])
def test_hue_agrees_with_a_loop_over_yiq(turn: float) -> None:
    """The standard library's YIQ: luma kept, chroma turned clockwise in the I-Q plane."""
    angle = 2 * math.pi * turn
    seen = recolour(PLANES[:1], _tones(1, hue=angle))[0]
    for row in range(PLANES.shape[2]):
        y, i, q = colorsys.rgb_to_yiq(*(PLANES[0, :, row, 2] / 255).tolist())
        turned = (y, math.cos(angle) * i + math.sin(angle) * q, -math.sin(angle) * i + math.cos(angle) * q)
        # the library rounds its matrices to two digits
        np.testing.assert_allclose(seen[:, row, 2] / 255, colorsys.yiq_to_rgb(*turned), atol=0.012)


@pytest.mark.parametrize("turn", [1 / 3, -1 / 3, 1 / 12])
def test_hue_turns_as_torchvision_does(turn: float) -> None:
    """YIQ and HSV differ in how light and vivid a colour stays; its hue is the same within a tenth of the circle."""
    dull = torch.tensor([[150.0, 100, 100], [100, 150, 100], [100, 100, 150], [150, 150, 100]]).T.view(1, 3, 1, 4)
    ours = recolour(dull, _tones(1, hue=2 * math.pi * turn)) / 255
    theirs = reference.adjust_hue(dull / 255, turn)
    for column in range(4):
        hues = [colorsys.rgb_to_hsv(*image[0, :, 0, column].tolist())[0] for image in (ours, theirs)]
        assert abs((hues[0] - hues[1] + 0.5) % 1 - 0.5) < 0.1
    grey = torch.full((1, 3, 2, 2), 90.0)
    torch.testing.assert_close(recolour(grey, _tones(1, hue=2 * math.pi * turn)), grey, atol=0.01, rtol=0)


def test_tones_follow_each_other_in_the_stated_order() -> None:
    """Hue, saturation, contrast, brightness one after the other is what the one matrix does."""
    values = {"hue": 0.7, "saturation": 1.4, "contrast": 0.7, "brightness": 1.2}
    step = PLANES
    for name, value in values.items():
        step = recolour(step, _tones(**{name: value}))
    torch.testing.assert_close(recolour(PLANES, _tones(**values)), step, atol=0.01, rtol=0)


def test_colours_stay_between_black_and_white() -> None:
    """Strong tones are cut at 0 and 255, once, at the end: what brightness takes back is not lost to contrast."""
    planes = torch.randint(0, 256, (3, 3, 5, 7), generator=torch.Generator().manual_seed(1)).float()
    strong = recolour(planes, _tones(contrast=4.0, brightness=2.0, saturation=3.0))
    assert strong.min() == 0
    assert strong.max() == 255
    halves = torch.tensor([100.0, 200.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    back = recolour(halves, _tones(1, contrast=4.0, brightness=0.5))  # 150 -/+ 200, halved
    torch.testing.assert_close(back[0, 0, 0], torch.tensor([0.0, 175.0]), atol=0.01, rtol=0)


def test_images_get_their_own_tones() -> None:
    """Each image of a batch is what it would be alone with its own numbers."""
    config = AugmentConfig(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.2)
    tones = draw_tones(3, config, generator=torch.Generator().manual_seed(0))
    together = recolour(PLANES, tones)
    for image in range(3):
        alone = recolour(
            PLANES[image : image + 1], Tones(**{name: value[image : image + 1] for name, value in vars(tones).items()})
        )
        torch.testing.assert_close(together[image], alone[0])
    assert all(len(value.unique()) == 3 for value in vars(tones).values())


def test_drawn_tones_keep_their_ranges() -> None:
    """Factors between 1/(1+x) and 1+x, symmetric in the logarithm; hue either way; the share of grey images."""
    config = AugmentConfig(brightness=0.2, contrast=1.0, saturation=0.5, hue=0.1, grayscale=0.25)
    tones = draw_tones(2000, config, generator=torch.Generator().manual_seed(0))
    grey = tones.saturation == 0
    assert grey.float().mean() == pytest.approx(0.25, abs=0.03)
    for factors, most in ((tones.brightness, 1.2), (tones.contrast, 2.0), (tones.saturation[~grey], 1.5)):
        assert 1 / most <= factors.min() < 1.01 / most
        assert most / 1.01 < factors.max() <= most
        assert factors.log().mean().abs() < 0.03
    assert -0.2 * math.pi <= tones.hue.min() < -0.6 < 0.6 < tones.hue.max() <= 0.2 * math.pi


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue", "grayscale"])
def test_each_setting_changes_its_own_tone(name: str) -> None:
    """One setting, one kind of tone; nothing set, nothing to do."""
    config = AugmentConfig(**(OFF | {name: 0.5}))
    assert has_tones(config)
    assert not has_tones(AugmentConfig(**OFF))
    tones, neutral = draw_tones(16, config, generator=torch.Generator().manual_seed(0)), _tones(16)
    changed = {field for field in vars(neutral) if not _same(getattr(tones, field), getattr(neutral, field))}
    assert changed == {{"grayscale": "saturation"}.get(name, name)}


def _same(left: Tensor, right: Tensor) -> bool:
    return torch.allclose(left, right)


def test_colour_matrices_keep_the_luma() -> None:
    """Hue and saturation never change how light a pixel is."""
    matrices = colour_matrices(_tones(1, hue=1.0, saturation=1.7))
    torch.testing.assert_close(torch.tensor(LUMA) @ matrices[0], torch.tensor(LUMA), atol=1e-6, rtol=0)
