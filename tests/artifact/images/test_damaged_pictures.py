"""What a decoder complains of decides: damaged files, files of other sorts, and those that only look damaged."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import artifact.images.decoding
from artifact.images.decoding import decode_image
from artifact.images.image_batch import format_bad_images, parse_bad_images
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from artifact.images.pillow_images import image_pixels
from tests.shared.damaged_pictures import damaged_pictures
from tests.shared.jpeg_files import jpegs, scan_by_scan, scan_start, with_bytes_before_end, without_end
from tests.shared.odd_pictures import photo, plain_pixels
from tests.shared.pictures import encode

NOISE = np.random.default_rng(0).bytes(500)
SORTS = ["jpeg", "png", "gif", "webp", "bmp", "tiff", "ppm", "avif", "1x1", "nothing", "file"]


def sort_of(name: str) -> str:
    """The last word of `HEIC file`, else the first."""
    return "file" if name.endswith(" file") else name.partition(",")[0].split(" ")[0]


@pytest.mark.parametrize("sort", SORTS)
def test_damaged_files_are_refused_with_the_reason(sort: str) -> None:
    """Cut at every tenth, holes of zeros, stray markers, wrong checksums; each in one short line."""
    tried = {name: file for name, file in damaged_pictures().items() if sort_of(name) == sort}
    assert tried
    for name, (data, reason) in tried.items():
        with pytest.raises(ImageError) as caught:
            pytest.fail(f"{name} was read: {decode_image(data).shape}")
        assert reason in str(caught.value), name
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200, name


def test_reasons_travel_from_server_to_client() -> None:
    """None holds what the line of a whole batch is parted by."""
    assert {sort_of(name) for name in damaged_pictures()} == set(SORTS)
    for data, _ in damaged_pictures().values():
        with pytest.raises(ImageError) as caught:
            decode_image(data)
        bad = [(3, "image", str(caught.value)), (7, "image", "another")]
        assert parse_bad_images(format_bad_images(bad, 9)) == bad


@pytest.mark.parametrize("name", jpegs(photo(40, 40)))
def test_jpeg_cut_anywhere_is_read_where_all_rows_are_there(name: str) -> None:
    """Byte by byte from the end: the end marker may be missing, the picture may not."""
    jpeg = jpegs(photo(40, 40))[name]
    expected = plain_pixels(jpeg)
    assert np.array_equal(decode_image(without_end(jpeg)), decode_image(jpeg))
    for cut in range(40, len(jpeg) - scan_start(jpeg), 97):
        with pytest.raises(ImageError, match="image file is truncated"):
            decode_image(jpeg[:-cut])
    for extra in (b"\x00", b"\xff\x00", b"text", bytes(100), b"\x55" * 3000):
        pixels = decode_image(with_bytes_before_end(jpeg, extra))
        assert np.abs(pixels.astype(int) - expected).max() <= 1, extra


def test_progressive_jpeg_without_its_last_scans_is_refused() -> None:
    """All rows are there but less sharp: libjpeg has no word of complaint, ended or not."""
    jpeg = encode(photo(), "JPEG", progressive=True)
    starts = [at for at in range(len(jpeg)) if jpeg[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 5
    for start in starts[1:]:
        table = jpeg.rindex(b"\xff\xc4", 0, start)
        for end in (start, table):
            for ending in (b"", b"\xff\xd9"):
                with pytest.raises(ImageError, match="image file is truncated"):
                    decode_image(jpeg[:end] + ending)


def test_jpeg_whose_components_come_one_by_one_needs_all() -> None:
    """Each in a scan of its own: without the colours it is grey, and libjpeg has no word for it."""
    header, *scans = scan_by_scan(photo())
    whole = b"".join([header, *scans])
    assert np.array_equal(decode_image(whole + b"\xff\xd9"), plain_pixels(whole + b"\xff\xd9"))
    assert np.array_equal(decode_image(whole), plain_pixels(whole + b"\xff\xd9"))
    for missing in ([1, 2], [2], [1], [0]):
        some = b"".join([header, *(scan for number, scan in enumerate(scans) if number not in missing)])
        with pytest.raises(ImageError, match="image file is truncated"):
            decode_image(some + b"\xff\xd9")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_cut_tiffs_are_refused_or_whole(mode: str) -> None:
    """Byte by byte from the end, whatever lies there: never a picture with other bytes for its pixels."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    image = Image.fromarray(np.asarray(noise)[:, :, 0] * np.uint16(257)) if mode == "I;16" else noise.convert(mode)
    for compression in (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "group4"):
        if (compression == "jpeg" and mode in ("1", "P", "I;16")) or (compression == "group4" and mode != "1"):
            continue
        for options in ({}, {"big_tiff": True}, {"strip_size": 600}):
            data = encode(image, "TIFF", compression=compression, **options)
            expected = decode_image(data)
            for cut in (1, 2, 16, 50, 70, 100, 140, 200, len(data) // 2):
                try:
                    pixels = decode_image(data[:-cut])
                except ImageError:
                    continue
                assert np.array_equal(pixels, expected), (compression, options, cut)


def test_files_made_to_take_for_ever_are_refused() -> None:
    """Endless markers, a thousand scans, a thousand chunks."""
    jpeg = encode(photo(), "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xc4") : -2]
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode_image(jpeg[:-2] + last * 1000 + b"\xff\xd9")
    for unit in (b"\xff", b"\xff\x00", b"\xff\xd0", b"\xff\xc5\xff\xff", b"\xff\xfe\x00\x02"):
        with pytest.raises(ImageError, match="it ends before its picture begins"):
            decode_image(b"\xff\xd8\xff" + unit * (4_000_000 // len(unit)))
    noise = np.random.default_rng(0).bytes(4_000_000)  # a phone's video, which holds markers by chance
    assert np.array_equal(decode_image(jpeg + noise), plain_pixels(jpeg))
    assert np.array_equal(decode_image(jpeg[:-2] + noise), plain_pixels(jpeg))


def drawings() -> dict[str, Image.Image]:
    """Pictures of large even areas, whose coded bytes hold many zeros."""
    page = Image.new("RGB", (400, 500), "white")
    for y in range(20, 300, 14):
        ImageDraw.Draw(page).text((20, y), "lorem ipsum dolor sit amet " * 2, fill="black")
    product = Image.new("RGB", (600, 400), "black")
    product.paste(photo(), (200, 200))
    slope = np.tile(np.linspace(0, 255, 600).astype(np.uint8), (300, 1))
    return {
        "white": Image.new("RGB", (500, 600), "white"),
        "page": page,
        "product": product,
        "slope": Image.fromarray(np.dstack([slope] * 3)),
        "stripes": Image.fromarray(np.dstack([np.tile(np.uint8([[0, 255]]), (300, 200))] * 3)),
    }


@pytest.mark.parametrize("name", drawings())
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}], ids=str)
def test_even_areas_are_no_holes(name: str, options: dict[str, Any]) -> None:
    """Zeros are damage only where the file's own tables make no even area of them."""
    for mode in ("RGB", "L", "CMYK"):
        for quality in (5, 60, 90):
            data = encode(drawings()[name].convert(mode), "JPEG", quality=quality, **options)
            expected = plain_pixels(data)
            for tail in (b"", bytes(120), b"SEFT" + bytes(200), b"made by\xff\xd9", NOISE):
                file = data if not tail else without_end(data) + tail
                assert np.abs(decode_image(file).astype(int) - expected).max() <= 1, tail[:8]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 5}], ids=str)
def test_restart_markers_in_what_follows_are_not_the_pictures(options: dict[str, Any]) -> None:
    """Noise instead of the end marker holds them by chance; a scan ends where it can have no more of them."""
    for size in ((96, 64), (95, 61), (17, 9)):
        jpeg = encode(photo(*size), "JPEG", **options)
        expected = plain_pixels(jpeg)
        for number in range(0xD0, 0xD8):
            for start in (b"", b"\x00\x01", NOISE[:40].replace(b"\xff", b"")):
                tail = start + b"\xff" + bytes([number]) + NOISE
                assert np.abs(decode_image(without_end(jpeg) + tail).astype(int) - expected).max() <= 1


def test_sampling_that_simplejpeg_does_not_know_is_left_to_pillow() -> None:
    """Colours finer than brightness: read whole, with stray bytes too, and refused cut short."""
    header = bytearray(encode(Image.new("RGB", (64, 48)), "JPEG", subsampling="4:4:4"))
    frame = header.index(b"\xff\xc0")
    header[frame + 11], header[frame + 14], header[frame + 17] = 0x11, 0x22, 0x22
    block, color_block = "001010", "0000"  # no difference from the block before, and none within, by the usual tables
    bits = (block + 8 * color_block) * 12
    coded = int(bits + "1" * (-len(bits) % 8), 2).to_bytes(-(-len(bits) // 8), "big")
    data = bytes(header[: scan_start(bytes(header))]) + coded + b"\xff\xd9"
    assert np.array_equal(decode_image(data), np.full((48, 64, 3), 128))
    assert np.array_equal(decode_image(with_bytes_before_end(data, b"text")), np.full((48, 64, 3), 128))
    with pytest.raises(ImageError, match="truncated"):
        decode_image(data[:-30])


def test_pillow_images_of_damaged_files_are_refused() -> None:
    """Not loaded yet, whatever Pillow itself would have passed over."""
    for name, (data, _) in damaged_pictures().items():
        try:
            image = Image.open(io.BytesIO(data))
        except Exception:  # Pillow's own refusal
            continue
        if name.endswith(" file"):  # formats that Pillow reads beyond ours
            continue
        with pytest.raises(ImageError):
            pytest.fail(f"{name} was read: {image_pixels(image).shape}")


def test_avif_without_support_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Pillow was built without it: not "not an image"."""
    monkeypatch.setitem(artifact.images.decoding.Image.OPEN, "AVIF", (None, lambda start: "not installed"))
    with pytest.raises(ImageError, match=r"^an AVIF image, which Pillow [\d.]+ here cannot read; install Pillow 11\.3"):
        decode_image(encode(photo(), "AVIF"))
    with pytest.raises(ImageError, match="not an image in any of JPEG, PNG"):
        decode_image(encode(photo(), "AVIF"), Limits(formats=("JPEG", "PNG")))
