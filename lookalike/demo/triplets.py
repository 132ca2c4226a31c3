"""Triplets of held-out images, as a table for the full mode."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

_NUM_ROWS = 1000


def write_triplets(held_out: Path, file: Path) -> Path:
    """A table of anchor, positive and negative image paths (relative to the table) drawn from class folders."""
    random = np.random.default_rng(0)
    classes = {folder.name: sorted(folder.iterdir()) for folder in sorted(held_out.iterdir()) if folder.is_dir()}
    names = list(classes)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "anchor", "positive", "negative"])
        for row in range(_NUM_ROWS):
            same, other = random.choice(len(names), 2, replace=False)
            a, p = random.choice(len(classes[names[same]]), 2, replace=False)
            n = random.integers(len(classes[names[other]]))
            paths = (classes[names[same]][a], classes[names[same]][p], classes[names[other]][n])
            writer.writerow([row, *(path.relative_to(file.parent).as_posix() for path in paths)])
    return file
