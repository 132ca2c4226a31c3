"""Small training runs for tests: four classes of drawn shapes, a few epochs of Conv4 at 32 px or less."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.run.saved_run import Run

SHAPES = ("disc", "square", "stripe", "cross")


def draw_shape(name: str, random: np.random.Generator, *, size: int = 40) -> Image.Image:
    """One picture: a shape of its class in any colour, place and size on a noisy ground."""
    ground = random.integers(0, 60, (size, size, 3), dtype=np.uint8)
    image = Image.fromarray(ground)
    brush = ImageDraw.Draw(image)
    color = tuple(random.integers(120, 256, 3).tolist())
    side = int(random.integers(size // 3, size // 2))
    left, top = (int(random.integers(2, size - side - 2)) for _ in range(2))
    box = (left, top, left + side, top + side)
    middle = (left + side // 2, top + side // 2)
    if name == "disc":
        brush.ellipse(box, fill=color)
    elif name == "square":
        brush.rectangle(box, fill=color)
    elif name == "stripe":
        brush.line((left, middle[1], left + side, middle[1]), fill=color, width=4)
    else:
        brush.line((left, middle[1], left + side, middle[1]), fill=color, width=4)
        brush.line((middle[0], top, middle[0], top + side), fill=color, width=4)
    return image


def write_shapes(folder: Path, *, per_class: int = 12, seed: int = 0) -> Path:
    """Class folders of PNG files."""
    random = np.random.default_rng(seed)
    for name in SHAPES:
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            draw_shape(name, random).save(folder / name / f"{number:02d}.png")
    return folder


def small_run(output: Path, *, kind: str = "triplet", epochs: int = 2, loss: str | None = None) -> Run:
    """Train on the shapes in a folder beside `output`."""
    images = write_shapes(output.parent / "images")
    values = {"images": images, "kind": kind, "dim": 8, "size": 32, "epochs": epochs, "validation": "images:0.25"}
    return fit(make_config(values | {"loss": loss}), output)


def fit_small(images: Path, output: Path, *, report: Any = None, resume: bool = False, **values: Any) -> Run:
    """Train triplets at 24 px for two epochs, or as `values` say; a quarter of each class is held out."""
    small = {
        "images": images,
        "kind": "triplet",
        "dim": 8,
        "size": 24,
        "epochs": 2,
        "validation": "images:0.25",
        "sampling": {"images_per_class": 6},
    }
    return fit(make_config(small | values), output, report=report, resume=resume)


def lines_of(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl, without how fast it was."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_s"} for line in lines]
