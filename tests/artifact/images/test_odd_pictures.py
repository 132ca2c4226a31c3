"""Only pixels decide whether pixels are read: odd files of good pictures, against the plain file read by Pillow."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from artifact.images.decoding import decode_image, inspect_image
from artifact.images.pillow_images import image_pixels
from tests.shared.odd_pictures import odd_pictures, photo, plain_pixels
from tests.shared.pictures import encode, pictures

FORMATS = ["png", "jpeg", "mpo", "webp", "tiff", "bigtiff", "gif", "bmp", "ppm", "avif"]


@pytest.mark.parametrize("form", FORMATS)
def test_odd_files_give_the_pixels_of_the_plain_one(form: str) -> None:
    """Text of any name, broken metadata and checksums, trailers, missing ends; real orientation and transparency."""
    tried = {name: file for name, file in odd_pictures().items() if name.partition(",")[0].split(" ")[0] == form}
    assert tried
    for name, (data, expected) in tried.items():
        pixels = decode_image(data)
        assert pixels.shape == expected.shape, name
        assert np.abs(pixels.astype(int) - expected).max() <= 1, name
        assert set(inspect_image(data)[1:]) == set(expected.shape[:2]), name


def test_formats_tried_are_all_of_them() -> None:
    """No odd file is left out of the test above."""
    assert {name.partition(",")[0].split(" ")[0] for name in odd_pictures()} == set(FORMATS)


def test_pillow_images_opened_from_odd_files_give_their_pixels() -> None:
    """Those that Pillow can open at all: not loaded yet, they are read as the file is."""
    num_opened = 0
    for name, (data, expected) in odd_pictures().items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                image = Image.open(io.BytesIO(data))
        except Exception:  # that is Pillow's own refusal, of which we hear nothing
            continue
        num_opened, size = num_opened + 1, image.size
        pixels = image_pixels(image)
        assert pixels.shape == expected.shape, name
        assert np.abs(pixels.astype(int) - expected).max() <= 1, name
        assert image.size == size, name
    assert num_opened > 150


def test_pillow_images_that_are_changed_are_not_read_from_their_file() -> None:
    """A JPEG to be decoded at half its size, another frame, a thumbnail."""
    jpeg = encode(photo(), "JPEG")
    half = Image.open(io.BytesIO(jpeg))
    half.draft("RGB", (48, 32))
    assert image_pixels(half).shape == (32, 48, 3)
    small = Image.open(io.BytesIO(jpeg))
    small.thumbnail((30, 30))
    assert image_pixels(small).shape == (20, 30, 3)
    moving = Image.open(
        io.BytesIO(encode(Image.new("L", (9, 9)), "GIF", save_all=True, append_images=[Image.new("L", (9, 9), 200)]))
    )
    moving.seek(1)
    assert image_pixels(moving)[4, 4].tolist() == [200, 200, 200]


def test_animations_give_their_first_frame() -> None:
    """APNG, WebP and GIF, whatever comes after it; an APNG that has a picture of its own gives that one."""
    first, others = photo(), [photo(seed=1), photo(seed=2)]
    for form, options in (
        ("PNG", {}),
        ("PNG", {"default_image": True}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"quality": 100}),
    ):
        data = encode(first, form, save_all=True, append_images=others, **options)
        assert np.abs(decode_image(data).astype(int) - plain_pixels(data)).max() <= 1
        assert np.abs(decode_image(data).astype(int) - np.asarray(first)).mean() < 6


AS_PILLOW_CONVERTS = [
    name for name in pictures() if not any(word in name for word in ("EXIF", "16 bit", "alpha", "transparent"))
]


@pytest.mark.parametrize("name", AS_PILLOW_CONVERTS)
def test_good_pictures_are_as_pillow_reads_them(name: str) -> None:
    """Every sort but those with orientation, 16 bits and alpha, which have tests of their own."""
    data = pictures()[name]
    assert np.abs(decode_image(data).astype(int) - plain_pixels(data)).max() <= 1
