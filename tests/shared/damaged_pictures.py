"""Damaged files of pictures, and files that are no picture that is read; each with words of the reason against it."""

from __future__ import annotations

import io
import struct
from functools import cache

import numpy as np
from PIL import Image

from tests.shared.jpeg_files import jpegs, scan_start, with_bytes_before_end
from tests.shared.odd_pictures import photo
from tests.shared.pictures import encode
from tests.shared.png_chunks import raw_png, with_chunk, with_wrong_crc

_CUTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)


@cache
def damaged_pictures() -> dict[str, tuple[bytes, str]]:
    """{name: (file, part of the reason)}."""
    return {**_jpegs(), **_pngs(), **_cut(), **_others(), **_strangers()}


def _jpegs() -> dict[str, tuple[bytes, str]]:
    bad: dict[str, tuple[bytes, str]] = {}
    for name, jpeg in jpegs(photo(320, 240)).items():
        start = scan_start(jpeg)
        for cut in _CUTS:
            end = start + round((len(jpeg) - start) * cut) - 20
            bad[f"{name}, cut at {cut:.0%}"] = (jpeg[:end], "image file is truncated")
            bad[f"{name}, cut at {cut:.0%} and ended"] = (jpeg[:end] + b"\xff\xd9", "premature end of data segment")
        # near its end a progressive file has the last bits of its coefficients, which nobody misses
        for place in (0.1, 0.3, 0.5) if "progressive" in name else (0.3, 0.5, 0.7):
            at = start + round((len(jpeg) - start) * place)
            for size in (200, 512, 2000):
                holed = jpeg[:at] + bytes(size) + jpeg[at + size :]
                bad[f"{name}, {size} zeros at {place:.0%}"] = (holed[: len(jpeg)], "Corrupt JPEG data")
            words = "Premature end of JPEG file" if "progressive" in name else "premature end of data segment"
            bad[f"{name}, 300 bytes of 0xff at {place:.0%}"] = (jpeg[:at] + b"\xff" * 300 + jpeg[at + 300 :], words)
            ended = jpeg[:at] + b"\xff\xd9" + jpeg[at + 2 :]
            bad[f"{name}, a marker at {place:.0%}"] = (ended, "premature end of data segment")
    jpeg = encode(photo(), "JPEG")
    twelve = bytearray(jpeg)
    twelve[jpeg.index(b"\xff\xc0") + 4] = 12
    bad["jpeg, 12 bits"] = (bytes(twelve), "Unsupported JPEG data precision 12")
    arithmetic = bytearray(jpeg)
    arithmetic[jpeg.index(b"\xff\xc0") + 1] = 0xCB
    bad["jpeg, lossless and arithmetic"] = (bytes(arithmetic), "cannot be decoded")
    bad["jpeg, header alone"] = (jpeg[:200], "not a readable JPEG image: it ends before its picture begins")
    old = bytearray(encode(photo(320, 240), "JPEG"))
    old[old.index(b"JFIF") + 5] = 0
    holed = bytes(old[:3000]) + bytes(400) + bytes(old[3400:])
    bad["jpeg, unknown JFIF revision and a hole"] = (holed, "Corrupt JPEG data")
    bad["jpeg, a hole and text before its end"] = (with_bytes_before_end(holed, b"made by"), "Corrupt JPEG data")
    return bad


def _pngs() -> dict[str, tuple[bytes, str]]:
    png, palette = encode(photo(), "PNG"), encode(photo().quantize(16), "PNG")
    middle = png.index(b"IDAT") + 4 + (len(png) - png.index(b"IDAT")) // 2
    rows = b"".join(b"\x00" + row.tobytes() for row in np.asarray(photo()))
    black = bytes(len(rows))
    few = np.random.default_rng(0).bytes(9 * 64)
    return {
        "png, half of its rows": (raw_png(96, 64, bits=8, color=2, rows=rows[: len(rows) // 2]), "truncated"),
        "png, no rows": (raw_png(96, 64, bits=8, color=2, rows=b""), "truncated"),
        "png, all rows but one byte": (raw_png(96, 64, bits=8, color=2, rows=rows[:-1]), "truncated"),
        "png, half of its black rows": (raw_png(96, 64, bits=8, color=2, rows=black[: len(rows) // 2]), "truncated"),
        "png, interlaced rows too few": (raw_png(64, 96, bits=1, color=0, rows=few, interlace=1), "truncated"),
        "png, one bit of its data": (
            png[:middle] + bytes([png[middle] ^ 4]) + png[middle + 1 :],
            "damaged picture data",
        ),
        "png, zeros in its data": (png[:middle] + bytes(200) + png[middle + 200 :], "damaged picture data"),
        "png, wrong checksum of its header": (with_wrong_crc(png, b"IHDR"), "damaged header"),
        "png, wrong checksum of its palette": (with_wrong_crc(palette, b"PLTE"), "damaged palette"),
        "png, no picture data": (png[:33] + png[-12:], "no picture data"),
        "png, Apple's own form": (with_chunk(png, b"CgBI", bytes(4), before=b"IHDR"), "(CgBI)"),
    }


def _cut() -> dict[str, tuple[bytes, str]]:
    few = photo().quantize(16)
    plain = b"P3 96 64 255\n" + b" ".join(str(value).encode() for value in np.asarray(photo()).ravel())
    truncated = "image file is truncated"
    files = {
        "png": (encode(photo(), "PNG"), truncated),
        "gif": (encode(few, "GIF"), truncated),
        "webp": (encode(photo(), "WEBP"), truncated),
        "webp, lossless": (encode(photo(), "WEBP", lossless=True), truncated),
        "bmp": (encode(photo(), "BMP"), truncated),
        "tiff": (encode(photo(), "TIFF"), truncated),
        # the directory, which says what size the picture has, is at the end of such a file
        "tiff, deflate": (encode(photo(), "TIFF", compression="tiff_deflate"), "not a readable TIFF image"),
        "ppm": (encode(photo(), "PPM"), truncated),
        "ppm, plain": (plain, "not enough image data"),
        "avif": (encode(photo(), "AVIF"), "Failed to decode"),
    }
    return {
        f"{name}, cut at {cut:.0%}": (data[: int(len(data) * cut) - 16], words)
        for name, (data, words) in files.items()
        for cut in _CUTS
    }


def _others() -> dict[str, tuple[bytes, str]]:
    return {
        "tiff, float": (encode(Image.new("F", (9, 9), 0.5), "TIFF"), "32-bit float pixels are not supported"),
        "tiff, more rows than strips": (_twice_as_high(encode(photo(), "TIFF")), "image file is truncated"),
        "tiff, more rows than packed strips": (
            _twice_as_high(encode(photo().convert("1"), "TIFF", compression="group4")),
            "image file is truncated",
        ),
        "tiff, 32 bits": (encode(Image.new("I", (9, 9), 70_000), "TIFF"), "32-bit integer pixels (70000 to 70000)"),
        "1x1": (encode(Image.new("RGB", (1, 1)), "PNG"), "1x1 pixels: a placeholder, not a picture"),
        "nothing": (b"", "empty (0 bytes)"),
    }


def _strangers() -> dict[str, tuple[bytes, str]]:
    raw = Image.Exif()
    raw[50706] = b"\x01\x04\x00\x00"  # DNGVersion
    thumbnail = encode(photo(), "TIFF", tiffinfo={254: 1}, save_all=True, append_images=[photo(192, 128)])
    files = {
        "DNG": (encode(photo(), "TIFF", tiffinfo=raw), "a camera's raw file (DNG)"),
        "NEF": (thumbnail, "its first picture is a thumbnail of another"),
        "CR2": (_canon_raw(), "a camera's raw file (CR2)"),
        "CR3": (_boxes(b"crx "), "a camera's raw file"),
        "RAF": (b"FUJIFILMCCD-RAW 0201", "a camera's raw file"),
        "HEIC": (_boxes(b"heic", b"mif1"), "a HEIC image, which is not read; convert it to JPEG"),
        "HEIF": (_boxes(b"mif1", b"heic"), "a HEIC image"),
        "JPEG XL": (b"\xff\x0a" + bytes(range(60)), "a JPEG XL image"),
        "JPEG XL in boxes": (b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(40), "a JPEG XL image"),
        "JPEG 2000": (encode(photo(), "JPEG2000"), "a JPEG 2000 image"),
        "MP4": (_boxes(b"isom", b"mp42"), "a video"),
        "MOV": (_boxes(b"qt  "), "a video"),
        "WebM": (b"\x1a\x45\xdf\xa3" + bytes(40), "a video"),
        "SVG": (b'<?xml version="1.0"?>\n<svg xmlns="x"></svg>', "an SVG drawing"),
        "HTML": (b"\n<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML answer of a server"),
        "JSON": (b'{"error": "not found"}', "a JSON text"),
        "PDF": (b"%PDF-1.7\n" + bytes(range(40)), "a PDF file"),
        "PSD": (b"8BPS\x00\x01" + bytes(range(40)), "a Photoshop file"),
        "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "run git lfs pull"),
        "resource fork": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(60), "an Apple resource fork"),
        "ICO": (encode(photo(32, 32), "ICO"), "an icon"),
        "ZIP": (b"PK\x03\x04" + bytes(range(40)), "a ZIP archive"),
        "base64": (b"iVBORw0KGgoAAAANSUhEUgAA", "base64 text"),
        "zeros": (bytes(4000), "only zeros"),
        "text": (b"hello, I am no picture", "not an image in any of JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM (starts with"),
    }
    return {f"{name} file": entry for name, entry in files.items()}


def _twice_as_high(tiff: bytes) -> bytes:
    """A TIFF that says it has 128 rows instead of 64."""
    at = max(tiff.find(struct.pack("<HHI", 257, kind, 1)) for kind in (3, 4))
    return tiff[: at + 8] + struct.pack("<I", 128) + tiff[at + 12 :]


def _canon_raw() -> bytes:
    """A CR2 file: its first directory stands behind a mark of its own."""
    tiff = encode(photo(), "TIFF", compression="jpeg")
    return b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(4) + tiff[8:]


def _boxes(brand: bytes, *others: bytes) -> bytes:
    """The beginning of a file of boxes, as HEIF, AVIF and MP4 are."""
    body = b"ftyp" + brand + bytes(4) + b"".join(others)
    buffer = io.BytesIO()
    buffer.write(struct.pack(">I", len(body) + 4) + body)
    buffer.write(struct.pack(">I", 108) + b"meta" + bytes(100))
    return buffer.getvalue()
