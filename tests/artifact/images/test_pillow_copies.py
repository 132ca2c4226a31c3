"""Pillow images that no file stands behind any more: what they were copied and converted from is not guessed wrong."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from artifact.images.decoding import decode_image
from artifact.images.pillow_images import image_pixels
from tests.shared.odd_pictures import photo, rotated_exif
from tests.shared.pictures import encode
from tests.shared.png_chunks import with_chunk

XMP = b'<x tiff:Orientation="6"/>'


def loaded(data: bytes) -> Image.Image:
    """An image that is read."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("mode", ["I", "I;16", "I;16B", "I;16L"])
def test_8_bits_in_a_wider_mode_keep_their_values(mode: str) -> None:
    """Pillow's convert leaves them as they are: never black in silence; 16 bits are scaled."""
    grey = photo().convert("L")
    expected = np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)
    assert np.array_equal(image_pixels(grey.convert(mode)), expected)
    deep = Image.fromarray(np.asarray(grey) * np.uint16(257))
    assert np.array_equal(image_pixels(deep.convert("I")), expected)
    assert np.array_equal(image_pixels(deep), expected)


@pytest.mark.parametrize("form", ["PNG", "PPM", "TIFF"])
def test_16_bits_of_a_file_keep_their_meaning(form: str) -> None:
    """However dark they are: as a file, not loaded yet, and loaded."""
    data = encode(Image.fromarray(np.asarray(photo().convert("L")).astype(np.uint16)), form)
    assert decode_image(data).max() == 1
    assert image_pixels(Image.open(io.BytesIO(data))).max() == 1
    assert image_pixels(loaded(data)).max() == 1


def test_32_bits_of_a_file_that_hold_8_are_not_black() -> None:
    """A TIFF of mode I."""
    grey = photo().convert("L")
    assert np.array_equal(decode_image(encode(grey.convert("I"), "TIFF"))[:, :, 0], np.asarray(grey))


@pytest.mark.parametrize(
    "chunk",
    [
        (b"tEXt", b"Raw profile type exif\x00\nexif\n      38\n" + rotated_exif().tobytes().hex().encode()),
        (b"tEXt", b"XML:com.adobe.xmp\x00" + XMP),
        (b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + XMP),
    ],
    ids=["profile", "text", "XMP"],
)
def test_text_of_a_png_does_not_turn_its_copy(chunk: tuple[bytes, bytes]) -> None:
    """As it does not turn the file."""
    data = with_chunk(encode(photo(), "PNG"), *chunk)
    expected = np.asarray(photo())
    for image in (loaded(data), loaded(data).copy(), loaded(data).convert("RGB")):
        assert np.array_equal(image_pixels(image), expected)
    assert np.array_equal(decode_image(data), expected)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_turns_file_and_copy_alike(form: str) -> None:
    """And XMP, of those formats that have it."""
    sorts = [{"exif": rotated_exif()}] + ([{"xmp": XMP}] if form in ("JPEG", "WEBP") else [])
    for options in sorts:
        data = encode(photo(), form, **options)
        assert decode_image(data).shape == (96, 64, 3)
        for image in (loaded(data), loaded(data).copy(), loaded(data).convert("RGB")):
            assert image_pixels(image).shape == (96, 64, 3)
