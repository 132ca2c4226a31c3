"""Caches of decoded pixels, folders to read through them, and the check that the pixels are right."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trainer.data.image_reading
from artifact.images.preprocessing import Preprocessing, load_pixels
from trainer.data.class_sets import open_class_folder
from trainer.data.images import Images, read_images
from trainer.pixels.cache import PixelCache

PREPROCESSING = Preprocessing(height=16, width=16)


ROW = 16 * 16 * 3


HOUR_AGO = time.time() - 3600


def write_hour_old(root: Path, count: int, *, first: int = 0) -> Path:
    """Two classes of noise, an hour old."""
    for index in range(first, first + count):
        path = root / ("cat" if index % 2 else "dog") / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(index).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(noise).save(path)
        os.utime(path, (HOUR_AGO, HOUR_AGO))
    return root


class DecodeCounter:
    """A count of the images that were decoded while it counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0

        def counted(*arguments: object) -> np.ndarray:
            self.count += 1
            return load_pixels(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(trainer.data.image_reading, "load_pixels", counted)

    def taken(self) -> int:
        count, self.count = self.count, 0
        return count


def open_cache(folder: Path, *, max_bytes: int = 2**24, preprocessing: Preprocessing = PREPROCESSING) -> PixelCache:
    warnings: list[str] = []
    cache = PixelCache(folder, preprocessing, max_bytes=max_bytes, warn=warnings.append)
    cache.warnings = warnings  # type: ignore[attr-defined]
    return cache


def read_cached(root: Path, cache: PixelCache | None, *, memory: int = 0) -> Images:
    preprocessing = PREPROCESSING if cache is None else Preprocessing(height=cache.shape[0], width=cache.shape[1])
    return read_images(open_class_folder(root), preprocessing, max_cache_bytes=memory, cache=cache)[0]


def check_pixels(images: Images, root: Path, preprocessing: Preprocessing = PREPROCESSING) -> None:
    expected = np.stack([load_pixels((root / name).read_bytes(), preprocessing) for name in images.files.names])
    np.testing.assert_array_equal(images.pixels(np.arange(len(images))), expected)
