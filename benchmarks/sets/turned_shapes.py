"""Drawn shapes whose hue, turn and size are numbers, with combinations that are never seen.

Beside the categories of shapes.py, whose effects on a picture add up, those of a hue or a turn go round: what a number
of degrees means is no straight line. Combinations are of five shapes, stripes or none, and cells of the three numbers;
within its cell each picture has numbers of its own. No number goes all the way round, so none has two values for one
look.
"""

from __future__ import annotations

import colorsys
import csv
import itertools
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.sets.made_once import made_once

OUTLINES: dict[str, list[tuple[float, float]]] = {
    "arrow": [(0, -1), (0.8, 0), (0.3, 0), (0.3, 1), (-0.3, 1), (-0.3, 0), (-0.8, 0)],
    "flag": [(-0.5, -1), (0.8, -0.6), (-0.2, -0.2), (-0.2, 1), (-0.5, 1)],
    "half": [(math.cos(math.pi * at / 24), -math.sin(math.pi * at / 24)) for at in range(25)],
    "kite": [(0, -1), (0.6, -0.3), (0, 1), (-0.6, -0.3)],
    "wedge": [(0, -1), (0.5, 0.9), (-0.5, 0.9)],
}
"""Corners around the middle; each looks another way at every turn."""

HUES = tuple(itertools.pairwise((0, 60, 120, 180, 240, 300)))
TURNS = tuple(itertools.pairwise((0, 54, 108, 162, 216, 270)))
SIZES = ((0.24, 0.31), (0.34, 0.42))
"""Cells: degrees, degrees, and shares of the side."""

ATTRIBUTES = ("shape", "hue", "striped", "size", "turn")
SIDE_PX = 48
NUM_TRAIN, NUM_UNSEEN = 200, 40
"""Combinations, of 500."""
_PICTURES_TRAIN, _PICTURES_UNSEEN = 16, 20

Cell = tuple[float, float]
Combination = tuple[str, Cell, int, Cell, Cell]


def prepare_turned_shapes(seed: int = 0) -> tuple[Path, Path]:
    """Folders to train on and never seen, each with its pictures and `table.csv`: file, then the attributes."""
    name = f"turned-{SIDE_PX}-{NUM_TRAIN}x{_PICTURES_TRAIN}-{NUM_UNSEEN}x{_PICTURES_UNSEEN}-{seed}"
    return made_once(name, lambda train, unseen: _write(train, unseen, seed))


def _write(train: Path, unseen: Path, seed: int) -> None:
    random = np.random.default_rng([seed, 1])
    combinations: list[Combination] = list(itertools.product(sorted(OUTLINES), HUES, (0, 1), SIZES, TURNS))
    chosen = [combinations[at] for at in random.permutation(len(combinations))[: NUM_TRAIN + NUM_UNSEEN]]
    _write_side(train, chosen[:NUM_TRAIN], _PICTURES_TRAIN, random)
    _write_side(unseen, chosen[NUM_TRAIN:], _PICTURES_UNSEEN, random)


def _write_side(folder: Path, combinations: list[Combination], count: int, random: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    with (folder / "table.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", *ATTRIBUTES])
        for number, ((shape, hues, striped, sizes, turns), _) in enumerate(
            itertools.product(combinations, range(count))
        ):
            hue, size, turn = (float(random.uniform(*cell)) for cell in (hues, sizes, turns))
            draw_turned(shape, hue, striped, size, turn, random).save(folder / f"{number:05}.png")
            table.writerow([f"{number:05}.png", shape, round(hue, 1), striped, round(size, 3), round(turn, 1)])


def draw_turned(
    shape: str, hue: float, striped: int, size: float, turn: float, random: np.random.Generator
) -> Image.Image:
    """One picture: hue and turn in degrees, size as a share of the side."""
    side = 4 * SIDE_PX  # drawn larger, so that edges are smooth
    picture = Image.new("RGB", (side, side), (int(random.integers(190, 245)),) * 3)
    middle = [side * (0.5 + random.uniform(-0.06, 0.06)) for _ in range(2)]
    cos, sin, radius = math.cos(math.radians(turn)), math.sin(math.radians(turn)), size * side
    outline = [
        (middle[0] + radius * (x * cos - y * sin), middle[1] + radius * (x * sin + y * cos)) for x, y in OUTLINES[shape]
    ]
    value = random.uniform(0.75, 0.95)
    shade = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue / 360, 0.85, value))
    inside = Image.new("RGB", (side, side), shade)
    for left in range(int(random.integers(-side // 10, 0)), side, side // 10) if striped else ():
        ImageDraw.Draw(inside).rectangle((left, 0, left + side // 20 - 1, side), fill=(250, 250, 250))
    mask = Image.new("L", (side, side), 0)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    picture.paste(inside, mask=mask)
    pixels = np.asarray(picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), np.float32)
    return Image.fromarray((pixels + random.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8))
