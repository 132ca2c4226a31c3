"""Pictures that share one part: a network learns to find it, and `why` shows that this part is what makes them alike.

    python examples/python/why.py [FOLDER]          a minute; needs lookalike[train]

Draws class folders of a pattern on grounds that differ, trains on them, publishes, and asks why two new pictures of
one class are alike. The page is FOLDER/why.html (default: why-output).
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lookalike import Scorer, deploy, explain, fit, make_config
from lookalike.cli import main

SIDE, PART, CLASSES = 48, 16, 8


def draw(number: int, random: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """The pattern of a class anywhere on a ground of coloured blocks, and where its upper left corner is."""
    of_class = np.random.default_rng(number)
    cells = np.kron(of_class.integers(0, 2, (4, 4)), np.ones((4, 4), int))[..., None]
    pattern = np.where(cells, of_class.integers(175, 256, 3), of_class.integers(0, 80, 3))
    picture = np.kron(random.integers(60, 196, (6, 6, 3)), np.ones((8, 8, 1), int))
    picture = (picture + random.integers(-25, 26, picture.shape)).clip(0, 255).astype(np.uint8)
    top, left = random.integers(0, SIDE - PART + 1, 2)
    picture[top : top + PART, left : left + PART] = pattern
    return picture, (int(top), int(left))


folder = Path(sys.argv[1] if len(sys.argv) > 1 else "why-output")
random = np.random.default_rng(0)
for number in range(CLASSES):
    (folder / "images" / str(number)).mkdir(parents=True, exist_ok=True)
    for each in range(60):
        Image.fromarray(draw(number, random)[0]).save(folder / "images" / str(number) / f"{each:02}.png")

run = fit(
    make_config({"images": folder / "images", "kind": "triplet", "dim": 16, "size": SIDE, "epochs": 10}), folder / "run"
)
deploy(run, folder / "models", name="patterns")

(first, first_corner), (second, second_corner) = draw(3, random), draw(3, random)
with Scorer("patterns", repository=folder / "models") as scorer:
    found = explain(scorer, first, second)
print(f"distance {found.distance:.3f}, from {found.num_runs} runs")
for name, parts, (top, left) in zip(("first", "second"), found.parts, (first_corner, second_corner), strict=True):
    row, column = np.unravel_index(parts.growth.argmax(), parts.growth.shape)
    inside = "in the part" if 0 <= row - top < PART and 0 <= column - left < PART else "elsewhere"
    print(f"{name}: the part is at {left}, {top}; the map's peak at {column}, {row}: {inside}")

for name, picture in (("a", first), ("b", second)):
    Image.fromarray(picture).save(folder / f"{name}.png")
asked = ["why", str(folder / "a.png"), str(folder / "b.png"), "--model", "patterns"]
sys.exit(main([*asked, "--repository", str(folder / "models"), "--output", str(folder / "why.html")]))
