"""Small scenes with boxes and masks: drawn figures of a few identities on grounds of coloured blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.sets.scenes import write_scenes

NUM_IDENTITIES = 6


def cutout(number: int) -> Image.Image:
    """RGBA, 60 px: another outline and two colours for each number."""
    random = np.random.default_rng([11, number])
    image = Image.new("RGBA", (60, 60))
    brush = ImageDraw.Draw(image)
    outer, inner = ((*random.integers(0, 256, 3).tolist(), 255) for _ in range(2))
    if number % 2:
        brush.ellipse((2, 2, 57, 57), fill=outer)
    else:
        brush.polygon([(30, 0), (59, 59), (0, 59)], fill=outer)
    brush.rectangle((22, 28, 38, 50), fill=inner)
    return image


def write_drawn_scenes(folder: Path, count: int, *, seed: int = 0) -> Path:
    """So many scenes of 640x480 px, ten objects in each, as benchmarks/sets/scenes.py writes them."""
    random = np.random.default_rng(seed)
    grounds = [
        Image.fromarray(random.integers(60, 200, (6, 8, 3), dtype=np.uint8)).resize(
            (640, 480), Image.Resampling.BICUBIC
        )
        for _ in range(12)
    ]
    identities = {f"figure {number}": [cutout(number)] for number in range(NUM_IDENTITIES)}
    write_scenes(folder, identities, grounds, count, seed=[seed])
    return folder
