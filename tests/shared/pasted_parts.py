"""Pictures that share one pasted part: drawn figures on grounds of coloured blocks, and where each lies.

A network that was trained to tell the figures apart by class folders of them has to find the part, wherever it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIDE_PX = 48
_PART_PX = 16
NUM_FIGURES = 8


@dataclass(frozen=True)
class Pasted:
    """A picture uint8 [side, side, 3], and the rows and columns of the part in it."""

    pixels: np.ndarray
    rows: slice
    columns: slice

    def holds(self, row: int, column: int) -> bool:
        """Whether a pixel lies in the part."""
        return self.rows.start <= row < self.rows.stop and self.columns.start <= column < self.columns.stop


def figure(number: int) -> np.ndarray:
    """A part: uint8 [16, 16, 3], another pattern of two colours for each number."""
    random = np.random.default_rng([7, number])
    cells = random.integers(0, 2, (4, 4)).astype(bool)
    cells[0, 0], cells[3, 3] = True, False
    dark, light = random.integers(0, 80, 3), random.integers(175, 256, 3)
    shown = np.where(cells[..., None], light, dark).astype(np.uint8)
    return shown.repeat(_PART_PX // 4, axis=0).repeat(_PART_PX // 4, axis=1)


def paste(number: int, random: np.random.Generator) -> Pasted:
    """A figure anywhere on a ground of its own."""
    ground = random.integers(60, 196, (6, 6, 3)).repeat(SIDE_PX // 6, axis=0).repeat(SIDE_PX // 6, axis=1)
    pixels = (ground + random.integers(-25, 26, ground.shape)).clip(0, 255).astype(np.uint8)
    top, left = random.integers(0, SIDE_PX - _PART_PX + 1, 2).tolist()
    rows, columns = slice(top, top + _PART_PX), slice(left, left + _PART_PX)
    pixels[rows, columns] = figure(number)
    return Pasted(pixels, rows, columns)


def write_pasted(folder: Path, *, per_class: int, seed: int = 0) -> Path:
    """Class folders, one of each figure, of PNG files."""
    random = np.random.default_rng(seed)
    for number in range(NUM_FIGURES):
        (folder / f"figure {number}").mkdir(parents=True)
        for each in range(per_class):
            Image.fromarray(paste(number, random).pixels).save(folder / f"figure {number}" / f"{each:03}.png")
    return folder
