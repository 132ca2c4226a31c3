"""Folders of many small classes: a pattern of coloured tiles each, seen through noise and moved about."""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE_PX, TILES = 16, 4


def write_patterns(folder: Path, *, num_classes: int, per_class: int = 6, seed: int = 0) -> Path:
    """Class folders `00`, `01`, ... of PNG files of 16 px."""
    random = np.random.default_rng(seed)
    for number in range(num_classes):
        tiles = random.integers(0, 256, (TILES, TILES, 3))
        picture = np.kron(tiles, np.ones((SIDE_PX // TILES, SIDE_PX // TILES, 1)))
        (folder / f"{number:02d}").mkdir(parents=True)
        for index in range(per_class):
            seen = np.roll(picture, random.integers(-1, 2, 2), axis=(0, 1)) + random.normal(0, 60, picture.shape)
            Image.fromarray(seen.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02d}" / f"{index}.png")
    return folder
