"""Limits of encoded images: what is refused from the header, in which words, and what has no limit at all."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from artifact.errors import UsageError
from artifact.images.decoding import decode_image, inspect_image, require_within
from artifact.images.image_error import ImageError
from artifact.images.limits import MB, SERVER_LIMITS, Limits, too_many_bytes
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.limit_options import require_limits
from tests.shared.image_bombs import BOMBS, png
from tests.shared.pictures import encode


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_of_any_format_is_refused_from_its_header(name: str) -> None:
    """Gigapixels in a few bytes take no memory, and the refusal names the option."""
    data = BOMBS[name]()
    assert len(data) < 10_000
    tracemalloc.start()
    with pytest.raises(ImageError) as caught:
        decode_image(data)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    assert str(caught.value).endswith(" megapixels), over the limit of 128 megapixels; raise it with --max-megapixels")


@pytest.mark.parametrize(
    ("width", "height"), [(12_000, 9_000), (16_000, 8_000), (128_000_000, 1)], ids=["108", "128", "one line"]
)
def test_photographs_of_108_and_128_megapixels_are_taken(width: int, height: int) -> None:
    """Whatever their shape; one pixel more is not."""
    assert inspect_image(png(width, height)) == ("PNG", width, height)
    with pytest.raises(ImageError, match=r"over the limit of 128 megapixels; raise it with --max-megapixels$"):
        inspect_image(png(128_000_001, 1))


def test_refusal_says_size_and_limit_in_the_options_unit() -> None:
    """What is over a limit never looks as if it were at it."""
    limits = Limits.of(max_megapixels=64, max_image_mb=64)
    assert limits.refuse_pixels(12_000 * 9_000, "12000x9000") == (
        "12000x9000 pixels (108 megapixels), over the limit of 64 megapixels; raise it with --max-megapixels"
    )
    assert "(64.1 megapixels), over the limit of 64 megapixels" in str(limits.refuse_pixels(64_000_001))
    assert limits.refuse_pixels(64_000_000) is limits.refuse_bytes(64 * MB) is None
    assert limits.refuse_bytes(64 * MB + 2) == "64.1 MB, over the limit of 64 MB; raise it with --max-image-mb"
    assert limits.refuse_bytes(64 * MB + 1) == "over the limit of 64 MB; raise it with --max-image-mb", "read to there"
    assert too_many_bytes(3 * MB, MB, where="a.png") == (
        "3 MB, over the limit of 1 MB; raise it with --max-image-mb: a.png"
    )
    assert SERVER_LIMITS.refuse_pixels(10**9, "50000x20000") == (
        "50000x20000 pixels (1000 megapixels), over the server's limit of 128 megapixels; raise it with "
        "--max-megapixels where the model is published or served"
    )


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), 1e7])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    """In one line, in the option's name; what was not given is left."""
    with pytest.raises(UsageError, match=r"^max_megapixels: expected more than 0, at most 1,000,000, got "):
        require_limits(limit, None)
    with pytest.raises(UsageError, match=r"^max_image_mb: "):
        require_limits(None, limit)
    require_limits(0.5, 1e6)


@pytest.mark.parametrize("number", [0.15, 0.2, 0.7, 1.1, 33.3, 64.0])
def test_refusal_says_the_number_that_was_set(number: float) -> None:
    """Not 0.1999998093 MB."""
    limits = Limits.of(max_megapixels=number, max_image_mb=number)
    assert limits.max_bytes >= number * 2**20
    assert f"over the limit of {number:g} MB;" in str(limits.refuse_bytes(limits.max_bytes * 2))
    assert f"over the limit of {number:g} megapixels;" in str(limits.refuse_pixels(limits.max_pixels * 2))


def test_frames_have_no_limit_where_the_first_is_read() -> None:
    """An animation of 1,001 frames, and a TIFF of as many pages, give their first; the others are not even counted."""
    frames = [Image.fromarray(np.full((4, 5, 3), value % 256, np.uint8)) for value in range(1001)]
    for name in ("GIF", "TIFF"):
        data = encode(frames[0], name, save_all=True, append_images=frames[1:])
        assert decode_image(data).tolist() == np.zeros((4, 5, 3)).tolist()
    cut = encode(frames[0], "GIF", save_all=True, append_images=frames[1:9])[:-40]
    assert decode_image(cut).shape == (4, 5, 3), "what is broken behind the first frame is not read"


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 2)])
def test_a_picture_one_pixel_wide_is_a_picture(shape: tuple[int, int]) -> None:
    """Its pixels stretch to the network's size as Pillow stretches them; 1x1 is a placeholder, and says so."""
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    got = load_pixels(encode(Image.fromarray(pixels), "PNG"), Preprocessing(height=8, width=8))
    reference = Image.fromarray(pixels).resize((8, 8), Image.Resampling.BILINEAR)
    assert np.abs(got.astype(int) - np.asarray(reference).astype(int)).max() <= 1
    with pytest.raises(ImageError, match=r"^1x1 pixels: a placeholder, not a picture$"):
        inspect_image(encode(Image.new("RGB", (1, 1)), "PNG"))


def test_limits_of_an_older_lookalike_are_read() -> None:
    """Their keys that are no more are left alone, as those of a later one."""
    old = {"max_bytes": 9, "max_pixels": 8, "max_frames": 1000, "min_side_px": 2, "formats": ["JPEG"], "later": 1}
    assert Limits.from_dict(old) == Limits(max_bytes=9, max_pixels=8, formats=("JPEG",))
    assert Limits.from_dict(SERVER_LIMITS.to_dict()) == SERVER_LIMITS


@pytest.mark.parametrize("name", ["TIFF", "WEBP", "GIF"])
def test_a_raised_limit_raises_pillows_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose plugins refuse, or warn of, large pictures of some formats themselves."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8))
    assert decode_image(encode(image, name), Limits(max_pixels=1200)).shape == (30, 40, 3)
    with pytest.raises(ImageError, match=r"over the limit of 0\.000599 megapixels; raise it with --max-megapixels"):
        decode_image(encode(image, name), Limits(max_pixels=599))


def test_what_is_sent_is_within_the_senders_limits() -> None:
    """By its header; what cannot be read is left to the one who decodes it."""
    require_within(b"no image", Limits())
    require_within(png(10, 10), Limits(max_pixels=100))
    with pytest.raises(ImageError, match="11x10 pixels"):
        require_within(png(11, 10), Limits(max_pixels=100))
    with pytest.raises(ImageError, match="over the limit of 4 bytes"):
        require_within(b"12345", Limits(max_bytes=4))
