"""Folders of class folders with images of noise, and their reading at 12 px."""

from pathlib import Path

import numpy as np
from PIL import Image

from artifact.images.preprocessing import Preprocessing
from trainer.data.class_sets import open_class_folder
from trainer.data.images import Images, read_images

PREPROCESSING = Preprocessing(height=12, width=12)


def write_noise(path: Path, seed: int, *, size: tuple[int, int] = (16, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


def write_classes(root: Path, counts: dict[str, int]) -> Path:
    for position, (name, count) in enumerate(counts.items()):
        for index in range(count):
            write_noise(root / name / f"{index:02d}.png", 1000 * position + index)
    return root


def read_folder(root: Path, *, max_cache_bytes: int = 2**20, max_bad_images: int | None = None) -> Images:
    return read_images(
        open_class_folder(root), PREPROCESSING, max_cache_bytes=max_cache_bytes, max_bad_images=max_bad_images
    )[0]
