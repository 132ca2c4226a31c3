"""Pillow is the reference: every mode and format, never more than one level apart; every limit, before decoding."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageOps

from artifact.images.decoding import decode_image, inspect_image
from artifact.images.image_batch import BadImagesError, format_bad_images, load_batch, parse_bad_images
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from artifact.images.preprocessing import Preprocessing, load_pixels
from tests.shared.spoiled_images import png_of


def picture(width: int = 640, height: int = 480, seed: int = 0) -> Image.Image:
    """A smooth colour picture with detail: blown-up noise with edges."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def cmyk_picture() -> Image.Image:
    return picture().convert("CMYK")


FILES = {
    "rgb jpeg": lambda: encode(picture(), "JPEG", quality=90),
    "progressive jpeg": lambda: encode(picture(), "JPEG", quality=85, progressive=True),
    "subsampled jpeg": lambda: encode(picture(641, 479), "JPEG", quality=75, subsampling=2),
    "grey jpeg": lambda: encode(picture().convert("L"), "JPEG"),
    "cmyk jpeg": lambda: encode(cmyk_picture(), "JPEG"),
    "rgb png": lambda: encode(picture(), "PNG"),
    "grey png": lambda: encode(picture().convert("L"), "PNG"),
    "1-bit png": lambda: encode(picture().convert("1"), "PNG"),
    "palette png": lambda: encode(picture().quantize(64), "PNG"),
    "webp": lambda: encode(picture(), "WEBP", quality=80),
    "tiff": lambda: encode(picture(), "TIFF"),
    "bmp": lambda: encode(picture(), "BMP"),
    "gif": lambda: encode(picture(), "GIF"),
    "ppm": lambda: encode(picture(), "PPM"),
}


def most_apart(got: np.ndarray, reference: Image.Image) -> int:
    return int(np.abs(got.astype(int) - np.asarray(reference).astype(int)).max())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("height", "width"), [(224, 224), (60, 90), (700, 900)])
def test_stretch_is_within_one_level_of_pillow(name: str, height: int, width: int) -> None:
    """Decode and antialiased bilinear resize, smaller and larger, are Pillow's to one level."""
    data = FILES[name]()
    reference = Image.open(io.BytesIO(data)).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    got = load_pixels(data, Preprocessing(height=height, width=width))
    assert got.shape == (height, width, 3)
    assert got.dtype == np.uint8
    assert most_apart(got, reference) <= 1


@pytest.mark.parametrize("name", ["rgb jpeg", "rgb png"])
@pytest.mark.parametrize(("height", "width"), [(100, 100), (50, 120), (120, 50)])
def test_crop_is_pillows_fit(name: str, height: int, width: int) -> None:
    """fit=crop is ImageOps.fit: the largest centred box of the target's shape."""
    data = FILES[name]()
    reference = ImageOps.fit(Image.open(io.BytesIO(data)).convert("RGB"), (width, height), Image.Resampling.BILINEAR)
    assert most_apart(load_pixels(data, Preprocessing(height=height, width=width, fit="crop")), reference) <= 1


@pytest.mark.parametrize(("height", "width"), [(100, 100), (50, 120), (121, 50)])
def test_pad_is_pillows_pad_in_the_mean_colour(height: int, width: int) -> None:
    """fit=pad keeps the whole picture and fills with the mean, which the graph turns into zeros."""
    spec = Preprocessing(height=height, width=width, fit="pad", mean=(0.2, 0.5, 0.8))
    image = picture()
    reference = ImageOps.pad(image, (width, height), Image.Resampling.BILINEAR, color=(51, 128, 204))
    assert most_apart(load_pixels(encode(image, "PNG"), spec), reference) <= 1


def test_alpha_lies_over_white() -> None:
    """Transparent pixels become white in proportion, for RGBA, grey with alpha and palette transparency."""
    rgb = np.asarray(picture(64, 48)).astype(float)
    alpha = np.linspace(0, 255, 64 * 48).reshape(48, 64).round()
    rgba = Image.fromarray(np.dstack([rgb, alpha]).astype(np.uint8))
    expected = rgb * alpha[:, :, None] / 255 + 255 * (1 - alpha[:, :, None] / 255)
    assert np.abs(decode_image(encode(rgba, "PNG")) - expected).max() <= 1
    grey = np.asarray(picture(64, 48).convert("L")).astype(float)
    la = Image.fromarray(np.dstack([grey, alpha]).astype(np.uint8), "LA")
    expected_grey = grey * alpha / 255 + 255 * (1 - alpha / 255)
    assert np.abs(decode_image(encode(la, "PNG"))[:, :, 1] - expected_grey).max() <= 1
    palette = Image.new("P", (10, 10), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.paste(1, (0, 0, 5, 10))
    pixels = decode_image(encode(palette, "PNG", transparency=0))
    assert pixels[0, 0].tolist() == [0, 0, 255]
    assert pixels[0, 9].tolist() == [255, 255, 255]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(form: str) -> None:
    """Every 16-bit level becomes its nearest 8-bit level; Pillow's own convert turns nearly all of them white."""
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    pixels = decode_image(encode(Image.fromarray(values), form))
    expected = np.round(values.astype(float) * 255 / 65535)
    assert np.array_equal(pixels, np.repeat(expected[:, :, None], 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied_once(form: str, orientation: int) -> None:
    """The picture stands upright, whichever decoder read it and whether or not Pillow turned it itself."""
    image = picture(64, 48)
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    data = encode(image, form, exif=exif(orientation), **options)
    plain = Image.open(io.BytesIO(encode(image, form, **options))).convert("RGB")
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    expected = plain.transpose(turn[orientation]) if orientation in turn else plain
    got = decode_image(data)
    assert got.shape[:2] == (expected.height, expected.width)
    assert most_apart(got, expected) <= 1


def test_animation_gives_its_first_frame() -> None:
    """Only the first frame of a GIF is read."""
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue", "green")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data)[5, 5].tolist() == [255, 0, 0]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_broken_exif_does_not_spoil_a_picture() -> None:
    """Nonsense in the EXIF block leaves the picture upright."""
    data = encode(picture(64, 48), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert decode_image(data).shape == (48, 64, 3)


BAD = {
    "empty": (lambda: b"", "empty (0 bytes)"),
    "text": (lambda: b"hello, I am no picture", "not an image in any of JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM"),
    "half a jpeg": (lambda: FILES["rgb jpeg"]()[:9000], "cannot be decoded: image file is truncated"),
    "half a png": (lambda: FILES["rgb png"]()[:9000], "cannot be decoded: image file is truncated"),
    "header of a png": (lambda: FILES["rgb png"]()[:20], "not a readable PNG image"),
    "1x1": (lambda: encode(Image.new("RGB", (1, 1)), "PNG"), "1x1 pixels: a placeholder, not a picture"),
    "bomb": (
        lambda: png_of(20_000, 20_000),
        "20000x20000 pixels (400 megapixels), over the limit of 128 megapixels; raise it with --max-megapixels",
    ),
    "float": (lambda: encode(Image.new("F", (9, 9)), "TIFF"), "32-bit float pixels are not supported"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_image_is_refused_with_its_reason(name: str) -> None:
    """Each kind of bad file has its own reason, from the same exception."""
    make, reason = BAD[name]
    with pytest.raises(ImageError) as caught:
        load_pixels(make(), Preprocessing(height=8, width=8))
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


def test_bomb_is_refused_from_its_header() -> None:
    """400 megapixels in a few KB cost no memory: the header alone decides."""
    import tracemalloc

    data = png_of(20_000, 20_000)
    assert len(data) < 100_000
    tracemalloc.start()
    with pytest.raises(ImageError):
        decode_image(data)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_limits_are_the_callers() -> None:
    """Bytes, pixels and formats can each be narrowed."""
    data = encode(picture(100, 80), "PNG")
    for limits, limited, reason in (
        (Limits(max_bytes=100), data, "over the limit of 100 bytes; raise it with --max-image-mb"),
        (Limits(max_pixels=7999), data, "over the limit"),
        (Limits(formats=("JPEG",)), data, "not an image in any of JPEG"),
    ):
        with pytest.raises(ImageError, match=reason):
            decode_image(limited, limits)
    assert inspect_image(data) == ("PNG", 100, 80)


@pytest.mark.parametrize("threads", [1, 4])
def test_batch_names_every_bad_image_and_parses_back(threads: int) -> None:
    """All rows are tried before the batch is refused; the message carries row, stream and reason both ways."""
    good, spec = FILES["rgb png"](), Preprocessing(height=8, width=8)
    with ThreadPoolExecutor(threads) as pool:
        rows = {"anchor": [good, b"", good], "positive": [good, good, b"text [row 7, x] here"]}
        with pytest.raises(BadImagesError) as caught:
            load_batch(rows, spec, apply=pool.map)
        pixels = load_batch({"anchor": [good, good]}, spec, apply=pool.map)
    assert [place[:2] for place in caught.value.bad] == [(1, "anchor"), (2, "positive")]
    parsed = parse_bad_images(f"[request id: 5] in ensemble 'x', {caught.value}")
    assert [place[:2] for place in parsed] == [(1, "anchor"), (2, "positive")]
    assert parsed[0][2] == "empty (0 bytes)"
    assert np.array_equal(pixels["anchor"][1], load_pixels(good, spec))


def test_message_of_many_bad_images_fits_a_grpc_status() -> None:
    """256 bad images with long reasons stay under gRPC's 8 KiB header, and all are still named."""
    streams = ("anchor", "positive", "negative", "negative2")
    bad = [(row, stream, "\u00fc" * 150) for row in range(64) for stream in streams]
    message = format_bad_images(bad, 256)
    assert len(message.encode()) < 6000
    assert [place[:2] for place in parse_bad_images(message)] == sorted(place[:2] for place in bad)


def test_preprocessing_refuses_what_it_cannot_do() -> None:
    """Unknown fits, methods and sizes are errors; a mapping of a later version is read."""
    for wrong in ({"fit": "squash"}, {"resize": "lanczos/1"}, {"height": 0}, {"std": (0.0, 1.0, 1.0)}):
        with pytest.raises(ValueError, match="expected"):
            Preprocessing(**({"height": 8, "width": 8} | wrong))
    spec = Preprocessing(height=8, width=9, fit="crop")
    assert Preprocessing.from_dict(spec.to_dict() | {"of_the_future": 1}) == spec
