"""Small runs with two towers: squares of a colour, a brightness and a size, with a table that says so."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.run.saved_run import Run

COLORS = {"blue": (40, 60, 230), "green": (30, 200, 60), "red": (230, 40, 40)}
ATTRIBUTES = ("color", "framed", "size")


def write_squares(folder: Path, *, count: int = 90, seed: int = 0, missing: float = 0.0) -> Path:
    """Write pictures of 16 px and their table; gives the table.

    Args:
        missing: share of the cells of attributes that are left empty.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    with (folder / "table.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", *ATTRIBUTES])
        for number in range(count):
            color, framed, size = random.choice(sorted(COLORS)), int(random.integers(2)), int(random.integers(3, 8))
            pixels = random.integers(100, 140, (16, 16, 3)).astype(np.uint8)
            pixels[8 - size : 8 + size, 8 - size : 8 + size] = 0 if framed else COLORS[color]
            pixels[9 - size : 7 + size, 9 - size : 7 + size] = COLORS[color]
            Image.fromarray(pixels).save(folder / f"{number:03}.png")
            cells = ["" if random.random() < missing else cell for cell in (color, framed, size)]
            table.writerow([f"{number:03}.png", *cells])
    return folder / "table.csv"


def fit_towers(table: Path, output: Path, *, report: Any = None, resume: bool = False, **values: Any) -> Run:
    """Train two small towers for three epochs, or as `values` say; a quarter of the images is held out."""
    small: dict[str, Any] = {
        "images": table,
        "kind": "triplet",
        "columns": {"image": "file"},
        "attributes": list(ATTRIBUTES),
        "dim": 8,
        "size": 16,
        "epochs": 3,
        "validation": "images:0.25",
        "towers": {"width": 16, "images_per_batch": 24},
    }
    return fit(make_config(small | values), output, report=report, resume=resume)
