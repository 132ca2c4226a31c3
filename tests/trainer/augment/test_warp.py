"""Moves of images: every kind in its direction, beside torchvision and plain loops, on images that are not square."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.augment.warp import NODES, Moves, affine_maps, bend_weights, draw_moves, has_moves, warp
from trainer.config.settings import AugmentConfig
from trainer.networks.torchvision_guard import guard_torchvision

guard_torchvision()

from torchvision.transforms.v2 import InterpolationMode  # noqa: E402 - the guard comes before the first import
from torchvision.transforms.v2 import functional as reference  # noqa: E402

HEIGHT, WIDTH = 21, 33
OFF = {"rotate_deg": 0.0, "translate": 0.0, "scale": 0.0}


def _stay(count: int = 1) -> Moves:
    one, zero = torch.ones(count), torch.zeros(count)
    return Moves(
        crop_area=one,
        crop_x=zero,
        crop_y=zero,
        mirror=one,
        factor=one,
        stretch=one,
        shear_x=zero,
        shear_y=zero,
        angle=zero,
        shift_x=zero,
        shift_y=zero,
    )


def _smooth(height: int = HEIGHT, width: int = WIDTH, count: int = 1) -> Tensor:
    """Planes without sharp edges and without symmetry, float32 [count, 3, height, width]."""
    noise = torch.rand(count, 3, height // 4 + 2, width // 4 + 2, generator=torch.Generator().manual_seed(3)) * 255
    return torch.nn.functional.interpolate(noise, size=(height, width), mode="bicubic").clamp(0, 255)


def _loop(plane: Tensor, maps: Tensor, bend: Tensor | None = None) -> np.ndarray:
    """Bilinear sampling with a repeated border, pixel by pixel: [H, W] of one plane and one map."""
    height, width = plane.shape
    values, matrix = plane.double().numpy(), maps.double().numpy()
    result = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            at = np.array([j + 0.5 - width / 2, i + 0.5 - height / 2])
            if bend is not None:
                at = at + bend[:, i, j].double().numpy()
            x, y = matrix[:, :2] @ at + matrix[:, 2]
            x, y = np.clip(x + width / 2 - 0.5, 0, width - 1), np.clip(y + height / 2 - 0.5, 0, height - 1)
            left, top = min(int(x), width - 2), min(int(y), height - 2)
            u, v = x - left, y - top
            upper = values[top, left] * (1 - u) + values[top, left + 1] * u
            lower = values[top + 1, left] * (1 - u) + values[top + 1, left + 1] * u
            result[i, j] = upper * (1 - v) + lower * v
    return result


def test_staying_moves_change_nothing() -> None:
    """All at their neutral values: the same pixels, and the map is the identity."""
    planes = _smooth()
    assert torch.allclose(warp(planes, _stay()), planes, atol=1e-3)
    assert torch.equal(affine_maps(_stay(), height=5, width=9)[0], torch.eye(2, 3))


@pytest.mark.parametrize(
    ("degrees", "shift", "factor", "shear"),
    [
        (25.0, (0, 0), 1.0, (0.0, 0.0)),
        (0.0, (4, -3), 1.0, (0.0, 0.0)),
        (0.0, (0, 0), 1.3, (0.0, 0.0)),
        (0.0, (0, 0), 1.0, (15.0, 0.0)),
        (0.0, (0, 0), 1.0, (0.0, 15.0)),
        (-20.0, (3, 2), 0.8, (10.0, -12.0)),
    ],
)
def test_affine_maps_agree_with_torchvision(
    degrees: float, shift: tuple[int, int], factor: float, shear: tuple[float, float]
) -> None:
    """Rotation, shift, scale and shear alone and together, wherever torchvision has no black corner."""
    planes = _smooth()
    tangents = [torch.tensor([-math.tan(math.radians(value))]) for value in shear]  # torchvision shears the other way
    moves = replace(
        _stay(),
        angle=torch.tensor([math.radians(degrees)]),
        factor=torch.tensor([factor]),
        shear_x=tangents[0],
        shear_y=tangents[1],
        shift_x=torch.tensor([shift[0] / WIDTH]),
        shift_y=torch.tensor([shift[1] / HEIGHT]),
    )
    options = {"angle": degrees, "translate": list(shift), "scale": factor, "shear": list(shear)}
    expected = reference.affine(planes, interpolation=InterpolationMode.BILINEAR, **options)
    inside = reference.affine(torch.ones_like(planes), interpolation=InterpolationMode.BILINEAR, **options) > 0.999
    assert inside.float().mean() > 0.5
    assert (warp(planes, moves) - expected)[inside].abs().max() < 0.05


def test_warp_agrees_with_a_loop() -> None:
    """Every move at once, with a bend, on images that are not square; the border is repeated."""
    config = AugmentConfig(
        rotate_deg=40, translate=0.2, scale=0.5, aspect=0.5, shear_deg=20, crop=0.5, elastic=0.1, flip=True
    )
    planes = _smooth(12, 19, count=3)
    moves = draw_moves(3, config, generator=torch.Generator().manual_seed(5))
    maps = affine_maps(moves, height=12, width=19)
    assert moves.bend is not None
    for image in range(3):
        bend = torch.nn.functional.interpolate(
            moves.bend[image : image + 1] * 12, size=(12, 19), mode="bicubic", align_corners=True
        )[0]
        expected = _loop(planes[image, 1], maps[image], bend)
        np.testing.assert_allclose(warp(planes, moves)[image, 1].numpy(), expected, atol=0.02)


def test_rotation_is_clockwise_and_shifts_go_right_and_down() -> None:
    """A dot right of the centre turns to below it; a shifted dot goes right and down; a mirrored one to the left."""
    planes = torch.zeros(1, 1, 9, 15)
    planes[0, 0, 4, 10] = 1.0  # three to the right of the centre
    turned = warp(planes, replace(_stay(), angle=torch.tensor([math.pi / 2])))
    assert turned[0, 0, 7, 7] > 0.99
    shifted = warp(planes, replace(_stay(), shift_x=torch.tensor([2 / 15]), shift_y=torch.tensor([1 / 9])))
    assert shifted[0, 0, 5, 12] > 0.99
    mirrored = warp(planes, replace(_stay(), mirror=torch.tensor([-1.0])))
    assert mirrored[0, 0, 4, 4] > 0.99


def test_rotation_of_a_wide_image_does_not_shear_it() -> None:
    """In pixels every map of a rotation is a rotation: orthogonal columns of length one."""
    moves = draw_moves(16, AugmentConfig(**(OFF | {"rotate_deg": 90.0})), generator=torch.Generator().manual_seed(0))
    linear = affine_maps(moves, height=20, width=60)[:, :, :2]
    torch.testing.assert_close(linear @ linear.mT, torch.eye(2).expand(16, 2, 2), atol=1e-5, rtol=0)
    degrees = torch.rad2deg(moves.angle)
    assert -90 <= degrees.min() < -30 < 30 < degrees.max() <= 90


def test_stretch_widens_and_keeps_the_area() -> None:
    """A square block becomes `stretch` times as wide as high; a factor changes the area by its square."""
    planes = torch.zeros(1, 1, 80, 100)
    planes[..., 30:50, 40:60] = 1.0
    seen = warp(planes, replace(_stay(), stretch=torch.tensor([2.25])))[0, 0]
    assert seen.sum(1).max() == pytest.approx(30, abs=0.1)
    assert seen.sum(0).max() == pytest.approx(20 / 1.5, abs=0.5)
    larger = warp(planes, replace(_stay(), factor=torch.tensor([1.5])))[0, 0]
    assert larger.sum() == pytest.approx(400 * 2.25, rel=0.01)


def test_crop_enlarges_its_part_to_the_whole() -> None:
    """A quarter of the area in a corner is that quarter, resized as torchvision does it."""
    planes = _smooth(40, 60)
    moves = replace(_stay(), crop_area=torch.tensor([0.25]), crop_x=torch.tensor([1.0]), crop_y=torch.tensor([-1.0]))
    expected = reference.resized_crop(planes, 0, 30, 20, 30, [40, 60], antialias=False)
    # at the crop's own border torchvision repeats the crop, ours sees the image beyond it
    assert (warp(planes, moves) - expected)[..., 1:-1, 1:-1].abs().max() < 0.05


def test_crops_keep_at_least_their_share_inside_of_the_image() -> None:
    """crop=0.4: between 0.4 and all of the area, corners of the crop never outside, and everywhere in the image."""
    moves = draw_moves(400, AugmentConfig(**(OFF | {"crop": 0.4})), generator=torch.Generator().manual_seed(0))
    assert 0.4 <= moves.crop_area.min() < 0.42
    assert 0.98 < moves.crop_area.max() <= 1
    maps = affine_maps(moves, height=20, width=50)
    corners = torch.tensor([[-25.0, -10, 1], [25, -10, 1], [-25, 10, 1], [25, 10, 1]]).T
    where = maps @ corners
    assert where[:, 0].abs().max() <= 25.001
    assert where[:, 1].abs().max() <= 10.001
    assert maps[:, 0, 2].min() < -4 < 4 < maps[:, 0, 2].max()


def test_bend_weights_are_bicubic_interpolation() -> None:
    """Two products with the weights are torch's bicubic enlargement of the nodes; each pixel's weights sum to 1."""
    nodes = torch.randn(2, 2, NODES, NODES, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(nodes, size=(11, 30), mode="bicubic", align_corners=True)
    torch.testing.assert_close(bend_weights(11) @ nodes @ bend_weights(30).T, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(bend_weights(30).sum(dim=1), torch.ones(30))


def test_bend_moves_by_its_share_of_the_shorter_side() -> None:
    """All nodes by (0.1, -0.05) of 20 px: what was 2 px to the right and 1 px above is seen, whatever the width."""
    planes = _smooth(20, 40)
    bend = torch.tensor([0.1, -0.05]).view(1, 2, 1, 1).expand(1, 2, NODES, NODES)
    seen = warp(planes, replace(_stay(), bend=bend))
    assert (seen[..., 1:, :-2] - planes[..., :-1, 2:]).abs().max() < 0.01


def test_bends_are_local_and_within_their_range() -> None:
    """Nodes stay within the share, reach near it, and do not move together."""
    bend = draw_moves(50, AugmentConfig(**(OFF | {"elastic": 0.05})), generator=torch.Generator().manual_seed(0)).bend
    assert bend is not None
    assert bend.abs().max() <= 0.05
    assert bend.abs().max() > 0.049
    assert (bend.flatten(2).std(dim=2) > 0.01).all()


def test_scale_and_aspect_are_symmetric_about_one() -> None:
    """scale=1 is between half and twice as large, aspect=0.5 between two thirds and one and a half times as wide."""
    config = AugmentConfig(**(OFF | {"scale": 1.0, "aspect": 0.5}))
    moves = draw_moves(500, config, generator=torch.Generator().manual_seed(0))
    for factors, largest in ((moves.factor, 2.0), (moves.stretch, 1.5)):
        assert 1 / largest <= factors.min() < 1.05 / largest
        assert largest / 1.05 < factors.max() <= largest
        assert factors.log().mean().abs() < 0.05


@pytest.mark.parametrize(
    ("setting", "value", "fields"),
    [
        ("rotate_deg", 10.0, {"angle"}),
        ("translate", 0.1, {"shift_x", "shift_y"}),
        ("scale", 0.2, {"factor"}),
        ("aspect", 0.2, {"stretch"}),
        ("shear_deg", 10.0, {"shear_x", "shear_y"}),
        ("crop", 0.5, {"crop_area"}),
        ("elastic", 0.1, {"bend"}),
        ("flip", True, {"mirror"}),
    ],
)
def test_each_setting_moves_its_own(setting: str, value: float, fields: set[str]) -> None:
    """One setting, one kind of move; two images get different ones; where a crop lies matters only to a crop."""
    config = AugmentConfig(**(OFF | {setting: value}))
    assert has_moves(config)
    moves = draw_moves(8, config, generator=torch.Generator().manual_seed(1))
    stay = _stay(8)
    moved = {name for name in vars(stay) if not _same(getattr(moves, name), getattr(stay, name))}
    assert moved - {"crop_x", "crop_y"} == fields
    for name in fields:
        assert len(getattr(moves, name).flatten(1 if name == "bend" else 0).unique(dim=0)) > 1
    assert not has_moves(AugmentConfig(**OFF))


def _same(left: Tensor | None, right: Tensor | None) -> bool:
    return left is right or (left is not None and right is not None and torch.allclose(left, right))


@pytest.mark.parametrize(("size", "bends"), [((13, 20), 0.0), ((13, 20), 0.05), ((40, 50), 0.0)])
def test_result_of_another_size_is_the_same_move(size: tuple[int, int], bends: float) -> None:
    """Beside moving in full and taking what lies at each pixel's centre there: a smooth image differs by little."""
    planes = _smooth(84, 132)
    config = AugmentConfig(rotate_deg=20, translate=0.1, scale=0.2, elastic=bends)
    moves = draw_moves(1, config, generator=torch.Generator().manual_seed(5))
    found = warp(planes, moves, size=size)
    full = warp(planes, moves)
    down, across = ((torch.arange(side) + 0.5) * 2 / side - 1 for side in size)
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), 2)
    expected = torch.nn.functional.grid_sample(full, grid[None], align_corners=False, padding_mode="border")
    assert found.shape == (1, 3, *size)
    # nodes of a bend lie on the centres of the outermost pixels, which lie a little further in where these are larger
    assert float((found - expected).abs().mean()) < (8 if bends else 1.5)
