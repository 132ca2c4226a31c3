"""Odd files of good pictures, which every viewer shows: whatever is wrong with them is not the picture.

Each comes with the pixels of the plain file, as Pillow reads that one.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image

from tests.shared.jpeg_files import (
    jpegs,
    with_bytes_before_end,
    with_segment,
    without_end,
)
from tests.shared.pictures import encode
from tests.shared.png_chunks import chunk, raw_png, with_chunk, with_wrong_crc, without_checksums

BROKEN_EXIF = b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\xff\xff"


@cache
def odd_pictures() -> dict[str, tuple[bytes, np.ndarray]]:
    """{name: (file, uint8 [h, w, 3])}."""
    return {**_pngs(), **_jpegs(), **_webps(), **_tiffs(), **_others()}


def photo(width: int = 96, height: int = 64, *, seed: int = 0) -> Image.Image:
    """Soft shapes with some grain, as in a photograph; no symmetry."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), dtype=np.uint8))
    soft = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(float)
    return Image.fromarray((soft + random.normal(0, 6, soft.shape)).clip(0, 255).astype(np.uint8))


def plain_pixels(data: bytes) -> np.ndarray:
    """uint8 [h, w, 3] by Pillow alone."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def rotated_exif(orientation: int = 6) -> Image.Exif:
    """EXIF with an orientation."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def _pngs() -> dict[str, tuple[bytes, np.ndarray]]:
    png, expected = encode(photo(), "PNG"), np.asarray(photo())
    profile = b"icc\x00\x00" + zlib.compress(np.random.default_rng(0).bytes(2 * 2**20), 1)
    rotating = b"Raw profile type exif\x00\nexif\n      38\n" + rotated_exif().tobytes().hex().encode()
    xmp = b'<x tiff:Orientation="6"/>'
    texts = {
        "called exif": (b"tEXt", b"exif\x00Exif\x00..."),
        "called exif, that would turn it": (b"tEXt", b"exif\x00" + rotated_exif().tobytes()),
        "called transparency": (b"tEXt", b"transparency\x00half"),
        "called interlace": (b"tEXt", b"interlace\x00yes"),
        "called bbox": (b"tEXt", b"bbox\x00[1, 2, 3, 4]"),
        "called icc_profile": (b"tEXt", b"icc_profile\x00sRGB"),
        "called gamma": (b"tEXt", b"gamma\x002.2"),
        "called dpi": (b"tEXt", b"dpi\x00300"),
        "called XML:com.adobe.xmp, that would turn it": (b"tEXt", b"XML:com.adobe.xmp\x00" + xmp),
        "XMP, that would turn it": (b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + xmp),
        "called Raw profile type exif, garbage": (b"zTXt", b"Raw profile type exif\x00\x00" + zlib.compress(b"no hex")),
        "called Raw profile type exif, that would turn it": (b"tEXt", rotating),
        "of 2 MB": (b"zTXt", b"notes\x00\x00" + zlib.compress(bytes(2 * 2**20))),
        "that bursts": (b"zTXt", b"notes\x00\x00" + zlib.compress(bytes(80 * 2**20), 9)),
        "compressed, garbage": (b"zTXt", b"notes\x00\x00garbage"),
        "international, garbage": (b"iTXt", b"notes\x00\x01\x07\xff\xfe"),
    }
    files = {f"png, text {name}": with_chunk(png, *text) for name, text in texts.items()}
    files |= {
        f"png, broken {name.decode()}": with_chunk(png, name, b"\x01")
        for name in (b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"acTL", b"fcTL", b"tIME", b"bKGD", b"hIST", b"eXIf", b"iCCP")
    }
    palette = encode(photo().quantize(16), "PNG")
    files |= {
        "png, ICC profile of 2 MB": with_chunk(png, b"iCCP", profile),
        "png, wrong checksum of pHYs": with_chunk(png, b"pHYs", bytes(9), crc=1),
        "png, wrong checksum of tEXt": with_chunk(png, b"tEXt", b"a\x00b", crc=1),
        "png, wrong checksum of tRNS": with_chunk(png, b"tRNS", bytes(6), crc=1),
        "png, wrong checksum of IEND": with_wrong_crc(png, b"IEND"),
        "png, wrong checksum of picture data that are right": with_wrong_crc(png, b"IDAT"),
        "png, broken EXIF": with_chunk(png, b"eXIf", BROKEN_EXIF[6:]),
        "png, private chunk": with_chunk(png, b"vpAg", b"\xff" * 40),
        "png, broken size of a chunk": png[:33] + struct.pack(">I", 2**31 - 1) + b"tEXtabc" + png[33:],
        "png, without its end": png[:-12],
        "png, without checksums": without_checksums(png),
        "png, bytes behind its end": png + b"\xff\xd8\xff trailer" * 9,
    }
    files |= {
        f"png, tRNS of {size} bytes": with_chunk(png, b"tRNS", bytes(size)) for size in (0, 1, 2, 3, 5, 7, 12, 300)
    }
    files |= {
        f"png, palette of {size} bytes for screens": with_chunk(png, b"PLTE", bytes(size)) for size in (0, 4, 9, 771)
    }
    files["png, wrong checksum of a palette for screens"] = with_chunk(png, b"PLTE", bytes(9), crc=1)
    odd = {name: (data, expected) for name, data in files.items()}
    grey = encode(photo().convert("L"), "PNG")
    for size in (0, 1, 3, 6):
        odd[f"png, grey, tRNS of {size} bytes"] = (with_chunk(grey, b"tRNS", bytes(size)), plain_pixels(grey))
    for size in (0, 17, 300):
        odd[f"png, palette, tRNS of {size} bytes"] = (with_chunk(palette, b"tRNS", bytes(size)), plain_pixels(palette))
    odd["png, palette without its end"] = (palette[:-12], plain_pixels(palette))
    turned = encode(photo(), "PNG", exif=rotated_exif())
    odd["png, real EXIF that turns it"] = (turned, np.rot90(expected, 3))
    odd["png, grey of 2 bits with a real transparency"] = _grey_png(2)
    odd["png, grey of 4 bits with a real transparency"] = _grey_png(4)
    odd["png, grey of 16 bits with a real transparency"] = _grey_png(16)
    return odd


def _grey_png(bits: int) -> tuple[bytes, np.ndarray]:
    """Grey levels of which one is transparent."""
    top = 2**bits - 1
    values = np.random.default_rng(bits).integers(0, top + 1, (9, 16))
    key = int(values[4, 7])
    rows = b"".join(
        b"\x00" + int("".join(f"{value:0{bits}b}" for value in row), 2).to_bytes(16 * bits // 8, "big")
        for row in values
    )
    data = raw_png(16, 9, bits=bits, color=0, rows=rows, chunks=[chunk(b"tRNS", struct.pack(">H", key))])
    grey = np.where(values == key, 255, np.round(values * 255 / top)).astype(np.uint8)
    return data, np.repeat(grey[:, :, None], 3, axis=2)


def _jpegs() -> dict[str, tuple[bytes, np.ndarray]]:
    odd: dict[str, tuple[bytes, np.ndarray]] = {}
    for name, jpeg in jpegs(photo()).items():
        expected = plain_pixels(jpeg)
        second = encode(photo(40, 40, seed=3), "JPEG")
        files = {
            "without its end": without_end(jpeg),
            "a phone's trailer instead of its end": without_end(jpeg) + b"SEFHe\x00\x00\x00trailer\x00SEFT" * 3,
            "another image instead of its end": without_end(jpeg) + second,
            "a video instead of its end": without_end(jpeg) + b"\x00\x00\x00\x18ftypmp42\xff\xc3\xff\x01" * 9,
            "another image behind its end": jpeg + second,
            "zeros behind its end": jpeg + bytes(5000),
            "1 byte before its end": with_bytes_before_end(jpeg, b"\x2a"),
            "text before its end": with_bytes_before_end(jpeg, b"made by somebody"),
            "zeros before its end": with_bytes_before_end(jpeg, bytes(300)),
            "stray bytes in its header": _with_stray_bytes(jpeg),
            "broken EXIF": with_segment(jpeg, 0xE1, BROKEN_EXIF),
            "garbage EXIF": with_segment(jpeg, 0xE1, b"Exif\x00\x00garbage"),
            "garbage in every metadata segment": _with_garbage(jpeg),
        }
        odd |= {f"{name}, {what}": (data, expected) for what, data in files.items()}
    jpeg = encode(photo(), "JPEG")
    old = bytearray(jpeg)
    old[jpeg.index(b"JFIF") + 5] = 0
    odd["jpeg, unknown JFIF revision, text before its end"] = (
        with_bytes_before_end(bytes(old), b"made by"),
        plain_pixels(jpeg),
    )
    sizes = [encode(photo(40, 40, seed=seed), "JPEG") for seed in (1, 2)]
    many = encode(Image.open(io.BytesIO(sizes[0])), "MPO", save_all=True, append_images=[photo(40, 40, seed=2)])
    odd["mpo"] = (many, plain_pixels(many))
    odd["mpo, cut in its second picture"] = (many[:-200], plain_pixels(many))
    return odd


def _with_stray_bytes(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xdb")
    return jpeg[:at] + b"stray" + jpeg[at:]


def _with_garbage(jpeg: bytes) -> bytes:
    for marker, start in (
        (0xE0, b"JFXX\x00"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\x00"),
        (0xE2, b"ICC_PROFILE\x00\x02\x01"),
        (0xE2, b"MPF\x00"),
        (0xED, b"Photoshop 3.0\x00"),
        (0xFE, b""),
    ):
        jpeg = with_segment(jpeg, marker, start + b"\xff\xfe\x00garbage\x80" * 5)
    return jpeg


def _webps() -> dict[str, tuple[bytes, np.ndarray]]:
    odd = {}
    for name, lossless in (("webp", False), ("webp, lossless", True)):
        plain = encode(photo(), "WEBP", lossless=lossless)
        expected = plain_pixels(plain)
        garbage = encode(
            photo(), "WEBP", lossless=lossless, exif=b"Exif\x00\x00garbage", xmp=b"\xff" * 99, icc_profile=b"no"
        )
        files = {
            "garbage in all metadata": garbage,
            "cut in its metadata": garbage[:-50],
            "wrong size of the file": plain[:4] + struct.pack("<I", 2**30) + plain[8:],
            "bytes behind it": plain + b"trailer" * 20,
        }
        odd |= {f"{name}, {what}": (data, expected) for what, data in files.items()}
        turned = encode(photo(), "WEBP", lossless=lossless, exif=rotated_exif())
        odd[f"{name}, real EXIF that turns it"] = (turned, np.rot90(expected, 3))
    moving = encode(photo(), "WEBP", lossless=True, save_all=True, append_images=[photo(seed=1), photo(seed=2)])
    odd["webp, animation cut in its second frame"] = (moving[: len(moving) // 2], np.asarray(photo()))
    return odd


def _tiffs() -> dict[str, tuple[bytes, np.ndarray]]:
    expected = np.asarray(photo())
    odd = {}
    for name, options in (
        ("tiff", {}),
        ("tiff, deflate", {"compression": "tiff_deflate"}),
        ("bigtiff", {"big_tiff": True}),
    ):
        plain = encode(photo(), "TIFF", tiffinfo={282: 72.0, 305: "software", 34675: b"profile"}, **options)
        size = 20 if name == "bigtiff" else 12
        for tag, kind, what in ((282, 5, "resolution"), (305, 2, "software"), (34675, 7, "ICC profile")):
            at = plain.index(struct.pack("<HH", tag, kind))
            odd[f"{name}, broken {what}"] = (plain[: at + 2] + b"\xff" * (size - 2) + plain[at + size :], expected)
        turned = encode(photo(), "TIFF", exif=rotated_exif(), **options)
        odd[f"{name}, real orientation that turns it"] = (turned, np.rot90(expected, 3))
    odd["tiff, one page that says it is a smaller one"] = (encode(photo(), "TIFF", tiffinfo={254: 1}), expected)
    odd["tiff, pixels first that begin like a raw file"] = _pixels_first_tiff()
    pages = encode(photo(), "TIFF", save_all=True, append_images=[photo(seed=1)])
    odd["tiff, cut in its second page"] = (pages[: -len(pages) // 3], expected)
    return odd


def _pixels_first_tiff() -> tuple[bytes, np.ndarray]:
    """Pixels, and behind them the directory, as libtiff writes it; the first pixel is C, R, 2."""
    expected = np.asarray(photo()).copy()
    expected[0, 0] = b"CR\x02"[0], b"CR\x02"[1], 2
    tags = {256: 96, 257: 64, 258: 8, 259: 1, 262: 2, 273: 8, 277: 3, 278: 64, 279: expected.size}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    header = b"II*\x00" + struct.pack("<I", 8 + expected.size)
    return header + expected.tobytes() + struct.pack("<H", len(tags)) + directory + bytes(4), expected


def _others() -> dict[str, tuple[bytes, np.ndarray]]:
    expected = np.asarray(photo())
    few = photo().quantize(16)
    gif = encode(few, "GIF")
    start = gif.index(b"\x2c", 13 + 3 * (2 << (gif[10] & 7)))
    extensions = {
        "garbage comment": b"\x21\xfe\x05\xff\xfe\x00ab\x00",
        "garbage application": b"\x21\xff\x0bXMP DataXMP\x03\xff\xff\xff\x00",
        "garbage plain text": b"\x21\x01\x02ab\x00",
        "unknown extension": b"\x21\x77\x03abc\x00",
    }
    odd = {f"gif, {what}": (gif[:start] + part + gif[start:], plain_pixels(gif)) for what, part in extensions.items()}
    moving = encode(few, "GIF", save_all=True, append_images=[photo(seed=1).quantize(16)] * 3)
    odd["gif, without its end"] = (gif[:-1], plain_pixels(gif))
    odd["gif, animation cut in its second frame"] = (moving[:-400], plain_pixels(moving))
    bmp = bytearray(encode(photo(), "BMP"))
    bmp[2:10] = b"\xff" * 8  # size of the file, reserved
    bmp[34:50] = b"\xff" * 12 + b"\x00" * 4  # size of the picture, resolution
    odd["bmp, garbage in its header"] = (bytes(bmp), expected)
    rows = expected.tobytes()
    odd["ppm, comment of garbage"] = (b"P6\n# \xff\xfe comment\n96 64\n255\n" + rows, expected)
    odd["ppm, bytes behind it"] = (b"P6 96 64 255\n" + rows + b"more", expected)
    made = Image.Exif()
    made[0x010F] = "somebody"
    avif = encode(photo(), "AVIF", exif=made, xmp=b"<x/>")
    at = avif.rindex(b"MM\x00*" if b"MM\x00*" in avif else b"II*\x00")
    plain = plain_pixels(encode(photo(), "AVIF"))
    odd["avif"] = (encode(photo(), "AVIF"), plain)
    odd["avif, garbage EXIF"] = (avif[:at] + b"garbage!" + avif[at + 8 :], plain)
    odd["avif, turned by its own boxes"] = (encode(photo(), "AVIF", exif=rotated_exif()), np.rot90(plain, 3))
    odd["avif, bytes behind it"] = (encode(photo(), "AVIF") + b"\x00\x00\x00\x10freetrailer!", plain)
    return odd
