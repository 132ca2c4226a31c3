"""One photograph-sized JPEG to the network's pixels: our function beside Pillow alone, interleaved, one thread."""

from __future__ import annotations

import io
import statistics
import time
from typing import Any

import numpy as np
from PIL import Image

from artifact.images.preprocessing import Preprocessing, load_pixels

ROUNDS, IMAGES = 30, 8
SIZES = (224, 112)


def photographs() -> list[bytes]:
    """640x480 JPEGs of blown-up noise: about as many bytes as a photograph of that size."""
    files = []
    for seed in range(IMAGES):
        small = np.random.default_rng(seed).integers(0, 256, (80, 107, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=88)
        files.append(buffer.getvalue())
    return files


def by_pillow(data: bytes, size: int) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def run() -> dict[str, Any]:
    files = photographs()
    result: dict[str, Any] = {"bytes_an_image": round(statistics.mean(map(len, files)))}
    for size in SIZES:
        spec = Preprocessing(height=size, width=size)
        ours, pillow = [], []
        apart = max(int(np.abs(load_pixels(data, spec).astype(int) - by_pillow(data, size)).max()) for data in files)
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for data in files:
                load_pixels(data, spec)
            middle = time.perf_counter()
            for data in files:
                by_pillow(data, size)
            ours.append((middle - started) / IMAGES)
            pillow.append((time.perf_counter() - middle) / IMAGES)
        ratios = [b / a for a, b in zip(ours, pillow, strict=True)]
        result[f"640x480_to_{size}"] = {
            "ours_ms": round(1e3 * statistics.median(ours), 2),
            "pillow_ms": round(1e3 * statistics.median(pillow), 2),
            "times_faster": round(statistics.median(ratios), 2),
            "levels_apart": apart,
        }
    return result
