"""Triplets of held-out images for the full mode, and how often the positive turns out nearer than the negative."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np


def write_triplets(held_out: Path, file: Path, *, num_rows: int = 1000, seed: int = 0) -> Path:
    """A table of anchor, positive and negative image paths (relative to the table) drawn from class folders."""
    random = np.random.default_rng(seed)
    classes = {folder.name: sorted(folder.iterdir()) for folder in sorted(held_out.iterdir()) if folder.is_dir()}
    names = list(classes)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "anchor", "positive", "negative"])
        for row in range(num_rows):
            same, other = random.choice(len(names), 2, replace=False)
            a, p = random.choice(len(classes[names[same]]), 2, replace=False)
            n = random.integers(len(classes[names[other]]))
            paths = (classes[names[same]][a], classes[names[same]][p], classes[names[other]][n])
            writer.writerow([row, *(path.relative_to(file.parent).as_posix() for path in paths)])
    return file


def ranking_accuracy(folder: Path) -> float:
    """Share of scored triplets whose anchor is nearer to the positive than to the negative."""
    import pyarrow.parquet as pq

    columns = ["distance_anchor_positive", "distance_anchor_negative"]
    parts = [pq.read_table(part, columns=columns) for part in sorted(folder.glob("part-*.parquet"))]
    near, far = (np.concatenate([part[column].to_numpy() for part in parts]) for column in columns)
    return float(np.mean(near < far))
