"""Encoded pictures of every sort that people have: each goes another way through the decoder; and plain noise."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def pictures() -> dict[str, bytes]:
    """{name: encoded image}, of different sizes, none of them square."""
    pixels = _drawing(29, 46)
    color = Image.fromarray(pixels)
    grey = color.convert("L")
    rotated = Image.Exif()
    rotated[0x0112] = 6  # to be turned by 90 degrees
    mirrored = Image.Exif()
    mirrored[0x0112] = 7
    alpha = color.copy()
    alpha.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 46).astype(np.uint8), (29, 1))))
    deep = Image.fromarray(_drawing(33, 21)[:, :, 0].astype(np.uint16) * 257)
    return {
        "jpeg": encode(color, "JPEG", quality=90),
        "jpeg, progressive": encode(Image.fromarray(_drawing(70, 51)), "JPEG", progressive=True),
        "jpeg, grey": encode(grey, "JPEG"),
        "jpeg, CMYK": encode(color.convert("CMYK"), "JPEG"),
        "jpeg, EXIF rotated": encode(color, "JPEG", exif=rotated),
        "jpeg, EXIF transposed": encode(color, "JPEG", exif=mirrored),
        "png": encode(color, "PNG"),
        "png, alpha": encode(alpha, "PNG"),
        "png, grey with alpha": encode(alpha.convert("LA"), "PNG"),
        "png, palette": encode(color.quantize(16), "PNG"),
        "png, palette with a transparent entry": encode(color.quantize(16), "PNG", transparency=3),
        "png, 16 bit": encode(deep, "PNG"),
        "png, 1 bit": encode(grey.point(lambda value: 255 * (value > 120), "1"), "PNG"),
        "webp": encode(color, "WEBP", lossless=True),
        "gif, animated": encode(
            color.quantize(32), "GIF", save_all=True, append_images=[color.transpose(Image.Transpose.ROTATE_180)]
        ),
        "bmp": encode(color, "BMP"),
        "tiff, 16 bit": encode(deep, "TIFF"),
        "already of the network's size": encode(Image.fromarray(_drawing(8, 8)), "PNG"),
    }


def encode(image: Image.Image, format_name: str, **options: Any) -> bytes:
    """An image as a file in memory."""
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def noise(num_rows: int, size: int = 8, *, seed: int = 0) -> np.ndarray:
    """uint8 [num_rows, size, size, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (num_rows, size, size, 3), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """uint8 [h, w, 3] as a PNG file, which loses nothing."""
    return encode(Image.fromarray(pixels), "PNG")


def _drawing(height: int, width: int) -> np.ndarray:
    """uint8 [height, width, 3]: waves of another length in each channel, no symmetry, some noise."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / 3 + columns / length) for length in (4.0, 7.0, 11.0)]
    noise = np.random.default_rng(height * width).uniform(0, 40, (height, width, 3))
    return ((np.stack(waves, axis=-1) + 1) * 105 + noise).clip(0, 255).astype(np.uint8)
