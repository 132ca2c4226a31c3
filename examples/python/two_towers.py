"""Images found by their attributes: two towers trained on drawn shapes, published, scored and searched in two minutes.

    python two_towers.py two-towers

Draws pictures of shapes with a table that says what each shows, trains an image tower and an attribute tower in one
space on most combinations of the attributes, publishes both, and asks for combinations that were never trained on.
Prints a JSON line for each question: how many of the eight nearest pictures are right, and what these show.
"""

import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLORS = {"blue": (40, 80, 210), "green": (40, 160, 70), "red": (210, 40, 40), "yellow": (235, 210, 50)}
SHAPES = ("circle", "square", "triangle")
UNSEEN = [("circle", "red", 1), ("square", "green", 0), ("triangle", "yellow", 1)]
"""Combinations that are never trained on."""


def draw(shape: str, color: str, striped: int, random: np.random.Generator) -> Image.Image:
    """One picture of 32 px."""
    side = 96
    picture = Image.new("RGB", (side, side), (int(random.integers(190, 240)),) * 3)
    radius = float(random.uniform(22, 36))
    left, top = (float(random.uniform(radius, side - radius)) for _ in range(2))
    box = (left - radius, top - radius, left + radius, top + radius)
    mask = Image.new("L", picture.size, 0)
    pen = ImageDraw.Draw(mask)
    if shape == "circle":
        pen.ellipse(box, fill=255)
    elif shape == "square":
        pen.rectangle(box, fill=255)
    else:
        pen.polygon([(left, box[1]), (box[2], box[3]), (box[0], box[3])], fill=255)
    inside = Image.new("RGB", picture.size, COLORS[color])
    for at in range(0, side, 12) if striped else ():
        ImageDraw.Draw(inside).rectangle((0, at, side, at + 5), fill=(250, 250, 250))
    picture.paste(inside, mask=mask)
    return picture.resize((32, 32), Image.Resampling.BOX)


def write(folder: Path, combinations: list[tuple[str, str, int]], count: int, seed: int) -> Path:
    """`count` pictures of each combination, and their table."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    with (folder / "table.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "shape", "color", "striped"])
        for number, (combination, _) in enumerate(itertools.product(combinations, range(count))):
            draw(*combination, random).save(folder / f"{number:04}.png")
            table.writerow([f"{number:04}.png", *combination])
    return folder / "table.csv"


def lookalike(*words: object) -> str:
    """Run a command as it would be typed; gives what it prints."""
    command = [sys.executable, "-m", "lookalike", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """Draw, train, publish, score and ask."""
    folder = Path(sys.argv[1])
    every = list(itertools.product(SHAPES, COLORS, (0, 1)))
    train = write(folder / "train", [each for each in every if each not in UNSEEN], 30, seed=0)
    gallery = write(folder / "gallery", every, 8, seed=1)
    models, vectors = folder / "models", folder / "vectors"
    options = ["--columns", "image=file", "--attributes", "shape,color,striped", "--dim", 32, "--epochs", 12]
    lookalike("train", train, "--kind", "triplet", *options, "--output", folder / "run", "--deploy", models)
    copied = ["--columns", "image=file", "--copy", "shape,color,striped"]
    lookalike("score", gallery, "--model", "run", "--repository", models, "--output", vectors, *copied)
    lookalike("index", vectors, "--output", folder / "shapes.index")
    for shape, color, striped in UNSEEN:
        asked = f"shape={shape},color={color},striped={striped}"
        found = lookalike(
            "search",
            folder / "shapes.index",
            "--attributes",
            asked,
            "--model",
            "run_attributes",
            "--repository",
            models,
            "-k",
            8,
            "--json",
        )
        neighbours = json.loads(found)[0]["neighbours"]
        named = [f"shape={each['shape']},color={each['color']},striped={each['striped']}" for each in neighbours]
        print(json.dumps({"asked": asked, "right": named.count(asked), "found": named}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
