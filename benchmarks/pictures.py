"""Pictures of a table: what thumbnails cost a scoring job, and what sheets of real photographs take of a page.

Scoring: the views of photographs that the model was fitted on (128 px), with `--thumbnails 64` and without, in
interleaved rounds of fresh processes; images a second as the command says, and bytes a row of the thumbnails' files.
Sheets: a square part of each photograph (307 x 173 px), shrunk to the cell; a fresh process for each size, with bytes
and seconds for 100,000 cells, from as many cells as one sheet holds, and its peak memory.

    python -m benchmarks.pictures sheets PX      measures one size, and no more
"""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.hardware import peak_mib
from benchmarks.sets.made_once import CACHE
from benchmarks.sets.photographs import PACKAGE, prepare_photographs
from benchmarks.sets.real_vectors import real_model
from lookalike.demo.emoji_packages import fetch
from rows.pictures.sprites import Sprites
from rows.pictures.thumbnail import Thumbnail

ROUNDS, THUMBNAILS_PX = 3, 64
SIZES = (32, 64, 128)
CELLS = 4096


def run() -> dict[str, Any]:
    sheets = {}
    for px in SIZES:
        command = [sys.executable, "-m", "benchmarks.pictures", "sheets", str(px)]
        sheets[f"{px} px"] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"scoring": _scoring(), "sheets of 100,000": sheets}


def _scoring() -> dict[str, Any]:
    images, model = prepare_photographs()[0], real_model("photographs")
    speeds: dict[str, list[float]] = {"without": [], "with": []}
    facts: dict[str, Any] = {}
    for _ in range(ROUNDS):
        for name, options in (("without", []), ("with", ["--thumbnails", str(THUMBNAILS_PX)])):
            with tempfile.TemporaryDirectory() as folder:
                words = ["score", str(images), "--model", "photographs", "--repository", str(model)]
                command = [sys.executable, "-m", "lookalike", *words, "--output", folder, "--json", *options]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                speeds[name].append(found["images_per_s"])
                num_bytes = sum(file.stat().st_size for file in Path(folder).glob("thumbnails-*"))
                facts = {"images": found["num_images"], "bytes a row": round(num_bytes / found["num_rows"])}
    medians = {name: round(statistics.median(values), 1) for name, values in speeds.items()}
    cost = statistics.median(a / b - 1 for a, b in zip(speeds["without"], speeds["with"], strict=True))
    return facts | {"px": THUMBNAILS_PX, "images a second": medians, "cost": round(cost, 4)}


def _sheets(px: int) -> dict[str, Any]:
    cells = list(_cells(px))
    made = Sprites(len(cells), px)
    started = time.perf_counter()
    num_bytes = sum(len(sheet.data) for sheet in made.sheets(cells))
    seconds = time.perf_counter() - started
    for_all = 100_000 / len(cells)
    return {
        "cells": len(cells),
        "MB": round(num_bytes * for_all / 1e6, 1),
        "seconds": round(seconds * for_all, 1),
        "peak MiB": round(peak_mib()),
    }


def _cells(px: int) -> Iterator[tuple[int, Thumbnail]]:
    """A part of a photograph for each cell of one sheet, at most CELLS, by draws that are always the same."""
    random = np.random.default_rng(0)
    photographs = []
    with tarfile.open(fetch(PACKAGE, CACHE), "r:gz") as tar:
        for member in sorted(tar.getmembers(), key=lambda each: each.name):
            stream = tar.extractfile(member) if member.name.endswith(".jpeg") else None
            if stream is not None:
                photographs.append(Image.open(io.BytesIO(stream.read())).convert("RGB"))
    for row in range(min(CELLS, Sprites(0, px).cells_per_sheet)):
        photograph = photographs[row % len(photographs)]
        side = int(min(photograph.size) * random.uniform(0.75, 1.0))
        x, y = (int(random.integers(0, length - side + 1)) for length in photograph.size)
        part = np.asarray(photograph.crop((x, y, x + side, y + side)))
        yield row, Thumbnail.of_pixels(part, px, sha256="")


if __name__ == "__main__":
    print(json.dumps(_sheets(int(sys.argv[2]))))
