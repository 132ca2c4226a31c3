"""Pictures made small: as Pillow shrinks the whole picture, for files of every sort; refused for the same reasons."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from artifact.images.shrunk import fitted_size, shrink_image, shrink_pixels
from tests.shared import image_bombs
from tests.shared.damaged_pictures import damaged_pictures
from tests.shared.pictures import encode, pictures

SIDE = 16
UPRIGHT = {1: None, 2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 5: "TRANSPOSE", 6: "ROTATE_270", 8: "ROTATE_90"}


def photograph(width: int, height: int) -> Image.Image:
    """Smooth, no symmetry."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / 37 + columns / length) for length in (61.0, 83.0, 140.0)]
    return Image.fromarray(((np.stack(waves, axis=-1) + 1) * 127).astype(np.uint8))


def by_pillow(pixels: np.ndarray, side_px: int) -> np.ndarray:
    """int [h, w, 3]: the whole picture shrunk by Pillow."""
    size = fitted_size(pixels.shape[1], pixels.shape[0], side_px)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)).astype(int)


def by_draft(data: bytes, side_px: int) -> np.ndarray:
    """int [h, w, 3] of a JPEG: decoded smaller by Pillow, then shrunk and turned."""
    with Image.open(io.BytesIO(data)) as image:
        size = fitted_size(*image.size, side_px)
        image.draft("RGB", size)
        turned = ImageOps.exif_transpose(image.convert("RGB").resize(size, Image.Resampling.BILINEAR))
        return np.asarray(turned).astype(int)


@pytest.mark.parametrize("name", pictures())
def test_every_sort_of_picture_is_shrunk_as_pillow_shrinks_it(name: str) -> None:
    """Within a level of the whole picture's pixels; a JPEG, which is decoded smaller, of those of Pillow's draft."""
    data = pictures()[name]
    whole = decode_image(data)
    small = shrink_image(data, SIDE)
    assert (small.height, small.width) == whole.shape[:2]
    assert max(small.pixels.shape[:2]) <= SIDE
    expected = by_draft(data, SIDE) if name.startswith("jpeg") and "CMYK" not in name else by_pillow(whole, SIDE)
    assert np.abs(small.pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("side_px", [16, 75, 100, 150, 300, 599])
def test_scaled_decoding_gives_the_picture_at_every_factor(side_px: int, progressive: bool) -> None:
    """An eighth, a quarter, a half and the whole: a level or two from the whole picture, on a smooth photograph."""
    data = encode(photograph(800, 600), "JPEG", quality=95, progressive=progressive)
    small = shrink_image(data, side_px)
    assert small.pixels.shape == (round(side_px * 0.75), side_px, 3)
    apart = np.abs(small.pixels.astype(int) - by_pillow(decode_image(data), side_px))
    assert (apart.mean() < 1.5, apart.max() < 6) == (True, True)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_turns_the_small_picture_and_its_size(orientation: int) -> None:
    """EXIF 1 to 8, of a JPEG that is decoded smaller."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = photograph(640, 200)
    small = shrink_image(encode(image, "JPEG", quality=95, exif=exif), 80)
    way = UPRIGHT[orientation]
    expected = image if way is None else image.transpose(Image.Transpose[way])
    assert (small.width, small.height) == expected.size
    reference = by_pillow(np.asarray(expected), 80)
    assert small.pixels.shape == reference.shape
    assert np.abs(small.pixels.astype(int) - reference).mean() < 2


def test_large_pictures_are_shrunk_from_a_part_of_their_pixels() -> None:
    """As from all of them, but for a few levels, on a smooth photograph of odd sides; an edge stays where it is."""
    pixels = np.asarray(photograph(2111, 1607))
    small = shrink_pixels(pixels, 40)
    assert (small.width, small.height, small.pixels.shape) == (2111, 1607, (30, 40, 3))
    apart = np.abs(small.pixels.astype(int) - by_pillow(pixels, 40))
    assert (apart.mean() < 2, apart.max() < 9) == (True, True)
    step = np.zeros((1600, 1600, 3), np.uint8)
    step[:, 800:] = 255
    edge = shrink_pixels(step, 16).pixels[:, :, 0].astype(int)
    assert (np.abs(edge + edge[:, ::-1] - 255) <= 2).all()


def test_small_pictures_keep_their_size_and_their_pixels() -> None:
    """Never enlarged; the pixels are a copy, whatever they were a part of."""
    pixels = np.asarray(photograph(40, 30))
    small = shrink_image(encode(Image.fromarray(pixels), "PNG"), 64)
    np.testing.assert_array_equal(small.pixels, pixels)
    views = np.zeros((5, 30, 40, 3), np.uint8)
    assert not np.shares_memory(shrink_pixels(views[2], 64).pixels, views)


@pytest.mark.parametrize(("width", "height", "size"), [(1000, 2, (64, 1)), (3, 900, (1, 64)), (64, 64, (64, 64))])
def test_no_side_becomes_nothing(width: int, height: int, size: tuple[int, int]) -> None:
    """The shape is kept as far as a pixel goes."""
    assert fitted_size(width, height, 64) == size
    assert shrink_pixels(np.zeros((height, width, 3), np.uint8), 64).pixels.shape == (size[1], size[0], 3)


def test_damaged_pictures_are_refused_as_the_decoder_refuses_them() -> None:
    """The same words; those alone are shown that a scaled decode cannot tell: holes of zeros, and missing scans."""

    def reason(read: Callable[[bytes], object], data: bytes) -> str:
        try:
            read(data)
        except ImageError as error:
            return str(error)
        return ""

    files = [data for data, _ in damaged_pictures().values()]
    both = [(reason(decode_image, data), reason(lambda file: shrink_image(file, SIDE), data)) for data in files]
    assert {ours or "shown" for whole, ours in both if ours != whole} <= {"shown"}
    assert all("hole" in whole or "scans" in whole for whole, ours in both if ours != whole)
    assert sum(bool(ours) for _, ours in both) > len(both) // 2


@pytest.mark.parametrize("bomb", [image_bombs.jpeg(60000, 60000), image_bombs.png(60000, 60000)])
def test_limits_hold_before_anything_is_decoded(bomb: bytes) -> None:
    """By the header, and by the size of the file."""
    with pytest.raises(ImageError, match="over the limit of 128 megapixels"):
        shrink_image(bomb, SIDE)
    with pytest.raises(ImageError, match="over the limit of 10 bytes"):
        shrink_image(bomb, SIDE, Limits(max_bytes=10))
