"""The digits of the README without training: `python -m docs.images.without_training FOLDER`.

Runs the README's three commands on the demo's digits, scores the held-out ones, maps them by PCA and UMAP, and prints
k-means purity and recall@1. without_training.png, beside this file, holds the six maps: a column for each command.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from lookalike.cli import main as lookalike
from lookalike.demo.digits import write_digits

IMAGES = "demo-output/images"
COMMANDS = {
    "pixels": f"train {IMAGES}/train --base pixels --epochs 0 --head pca --dim 64 --output runs/pixels",
    "whole": "train --base tf_efficientnet_lite0 --pretrained --epochs 0 --output runs/whole",
    "middle": "train --base tf_efficientnet_lite0 --pretrained --epochs 0 --cut blocks.3 --output runs/middle",
}
TITLES = {"pixels": "PCA of pixels", "whole": "pretrained, whole", "middle": "the same, cut at a middle layer"}
WIDTH_PX, HEIGHT_PX, TITLE_PX = 400, 280, 22


def run(words: str) -> str:
    """One command of the program; what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = lookalike(words.split())
    if code:
        raise SystemExit(code)
    return printed.getvalue()


def main(folder: Path) -> None:
    """Everything, in a folder that need not be there."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (len(COMMANDS) * WIDTH_PX, 2 * (HEIGHT_PX + TITLE_PX)), "white")
    with contextlib.chdir(folder):
        if not Path(IMAGES).exists():
            write_digits(Path(IMAGES))
        for place, (name, command) in enumerate(COMMANDS.items()):
            if not Path(f"runs/{name}").exists():
                run(f"{command} --deploy models")
            run(f"score {IMAGES}/held_out --model {name} --repository models --output vectors/{name}")
            figures = json.loads(run(f"evaluate vectors/{name} --label label --json"))
            sys.stdout.write(f"{name} {json.dumps(figures)}\n")
            for row, method in enumerate(("pca", "umap")):
                file = f"{name}-{method}.png"
                run(f"map vectors/{name} --color label --method {method} --seed 0 --output {file}")
                _paste(picture, Path(file), f"{TITLES[name]} ({method.upper()})", place, row)
    picture.quantize(64).save(Path(__file__).parent / "without_training.png", optimize=True)


def _paste(picture: Image.Image, file: Path, title: str, column: int, row: int) -> None:
    left, top = column * WIDTH_PX, row * (HEIGHT_PX + TITLE_PX)
    with Image.open(file) as drawn:
        small = drawn.convert("RGB")
        small.thumbnail((WIDTH_PX, HEIGHT_PX))
        picture.paste(small, (left, top + TITLE_PX))
    ImageDraw.Draw(picture).text((left + 6, top + 5), title, fill="black")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
