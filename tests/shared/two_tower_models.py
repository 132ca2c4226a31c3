"""Both artifacts of two tiny towers in one repository, and tables of their attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.shared.tiny_artifact import publish_tiny
from tests.shared.tiny_attribute_tower import TINY_ATTRIBUTES, linear_rows, publish_attributes

COLORS = ("red", "blue", "green")


def publish_towers(repository: Path, **options: Any) -> Path:
    """Publish `tiny`, of images, and `tiny_attributes`, of one space; gives the repository."""
    publish_tiny(repository, attributes=TINY_ATTRIBUTES.to_dict(), **options)
    publish_attributes(repository, **options)
    return repository


def drawn_columns(num_rows: int, *, seed: int = 0) -> dict[str, list[Any]]:
    """Values of the attributes, a fifth of them missing, but for the colours."""
    rng = np.random.default_rng(seed)
    return {
        "color": [COLORS[at] for at in rng.integers(0, 3, num_rows)],
        "striped": [None if rng.random() < 0.2 else int(rng.integers(0, 2)) for _ in range(num_rows)],
        "size": [None if rng.random() < 0.2 else round(float(rng.normal(3, 2)), 2) for _ in range(num_rows)],
    }


def vectors_of(columns: dict[str, list[Any]]) -> np.ndarray:
    """What the tower gives for them, by hand: float32 [N, 4]."""
    (num_rows,) = {len(values) for values in columns.values()}
    rows = np.zeros((num_rows, 6), np.float32)
    for row in range(num_rows):
        for name, values in columns.items():
            value = values[row]
            if value is None:
                continue
            if name == "color":
                rows[row, ["blue", "green", "red"].index(value)] = 1
            elif name == "striped":
                rows[row, 3] = 1 if value else -1
            else:
                rows[row, 4:] = (float(value) - 3) / 2, 1
    return linear_rows(rows)


def write_csv(file: Path, columns: dict[str, list[Any]], /, **more: list[Any]) -> Path:
    """A CSV table of the columns and of others before them."""
    columns = more | columns
    rows = zip(*columns.values(), strict=True)
    lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
    file.write_text("\n".join([",".join(columns), *lines]) + "\n", encoding="utf-8")
    return file
