"""Drawn shapes with their attributes: a tenth of all combinations to train on, and others that are never seen.

A picture is one shape on a grey ground with noise: shape, colour, stripes, a border, its size and its place in the
picture, 1,800 combinations in all. Where exactly it lies, how large it is, its shade and the ground vary from picture
to picture. Everything is drawn from a seed; nothing is downloaded.
"""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.sets.made_once import made_once

SHAPES = ("circle", "cross", "square", "star", "triangle")
COLORS = {
    "blue": (40, 80, 210),
    "green": (40, 160, 70),
    "orange": (240, 140, 30),
    "purple": (140, 60, 170),
    "red": (210, 40, 40),
    "yellow": (235, 210, 50),
}
PLACES = {
    "bottom left": (0.32, 0.68),
    "bottom right": (0.68, 0.68),
    "middle": (0.5, 0.5),
    "top left": (0.32, 0.32),
    "top right": (0.68, 0.32),
}
SIZES = (0.18, 0.24, 0.30)
"""Radius, as a share of the side; the attribute `size` is 1, 2 or 3."""

ATTRIBUTES = ("shape", "color", "striped", "border", "size", "place")
SIDE_PX = 48
NUM_TRAIN, NUM_UNSEEN = 180, 60
"""Combinations."""
_PICTURES_TRAIN, _PICTURES_UNSEEN = 16, 12
"""Of each combination."""


def prepare_shapes(seed: int = 0) -> tuple[Path, Path]:
    """Folders to train on and never seen, each with its pictures and `table.csv`: file, then the attributes."""
    name = f"shapes-{SIDE_PX}-{NUM_TRAIN}x{_PICTURES_TRAIN}-{NUM_UNSEEN}x{_PICTURES_UNSEEN}-{seed}"
    return made_once(name, lambda train, unseen: _write(train, unseen, seed))


def _write(train: Path, unseen: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    combinations = list(itertools.product(SHAPES, COLORS, (0, 1), (0, 1), (1, 2, 3), PLACES))
    order = random.permutation(len(combinations))
    chosen = [combinations[at] for at in order[: NUM_TRAIN + NUM_UNSEEN]]
    write_shapes(train, chosen[:NUM_TRAIN], _PICTURES_TRAIN, random)
    write_shapes(unseen, chosen[NUM_TRAIN:], _PICTURES_UNSEEN, random)


def write_shapes(
    folder: Path, combinations: list[tuple[str, str, int, int, int, str]], count: int, random: np.random.Generator
) -> Path:
    """Write `count` pictures of each combination and their table; gives the table."""
    folder.mkdir(parents=True)
    with (folder / "table.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", *ATTRIBUTES])
        for number, (combination, _) in enumerate(itertools.product(combinations, range(count))):
            name = f"{number:05}.png"
            draw_shape(combination, random).save(folder / name)
            table.writerow([name, *combination])
    return folder / "table.csv"


def draw_shape(combination: tuple[str, str, int, int, int, str], random: np.random.Generator) -> Image.Image:
    """One picture of a combination of ATTRIBUTES."""
    shape, color, striped, border, size, place = combination
    scale = 4  # drawn larger, so that edges are smooth
    side = SIDE_PX * scale
    ground = int(random.integers(190, 245))
    picture = Image.new("RGB", (side, side), (ground,) * 3)
    radius = SIZES[size - 1] * side * random.uniform(0.94, 1.06)
    center = tuple(side * (at + random.uniform(-0.04, 0.04)) for at in PLACES[place])
    outline = _outline(shape, center, radius, math.radians(random.uniform(-8, 8)))
    shade = tuple(int(np.clip(part + random.integers(-18, 19), 0, 255)) for part in COLORS[color])
    mask = Image.new("L", (side, side), 0)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    inside = Image.new("RGB", (side, side), shade)
    if striped:
        drawer, step = ImageDraw.Draw(inside), side // 10
        for left in range(int(random.integers(-step, 0)), side, step):
            drawer.rectangle((left, 0, left + step // 2 - 1, side), fill=(250, 250, 250))
    picture.paste(inside, mask=mask)
    if border:
        ImageDraw.Draw(picture).line([*outline, outline[0]], fill=(20, 20, 20), width=side // 24, joint="curve")
    pixels = np.asarray(picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), np.float32)
    noise = random.normal(0, 6, pixels.shape).astype(np.float32)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def _outline(shape: str, center: tuple[float, ...], radius: float, turn: float) -> list[tuple[float, float]]:
    """Corners of a shape around its centre."""
    if shape == "cross":
        arm = 0.36
        corners = [(arm, 1), (arm, arm), (1, arm), (1, -arm), (arm, -arm), (arm, -1)]
        corners += [(-x, -y) for x, y in corners]
    elif shape == "star":
        around = [(math.pi * corner / 5, 1.0 if corner % 2 else 0.45) for corner in range(10)]
        corners = [(length * math.sin(angle), length * math.cos(angle)) for angle, length in around]
    else:
        number = {"circle": 48, "square": 4, "triangle": 3}[shape]
        begin = math.pi / 4 if shape == "square" else math.pi
        angles = [begin + 2 * math.pi * corner / number for corner in range(number)]
        corners = [(math.sin(angle), math.cos(angle)) for angle in angles]
    cos, sin = math.cos(turn), math.sin(turn)
    return [(center[0] + radius * (x * cos - y * sin), center[1] + radius * (x * sin + y * cos)) for x, y in corners]
