"""A COCO file of a million annotations as a table: memory and seconds, beside Python's own json of the same file.

The file has the shape of COCO's training annotations: 100,000 images, ten objects in each, a polygon of 20 corners for
each object. Every reading runs in a process of its own, in turns; the peak is what the system says of that process.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.hardware import peak_mib

IMAGES, OBJECTS, CORNERS = 100_000, 10, 20
ROUNDS = 3
WAYS = ("nothing", "json", "opened", "boxes", "masks")
"""The imports alone; json.load; the table opened; its rows read with boxes, and with masks too."""


def run(images: int = IMAGES, rounds: int = ROUNDS) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lookalike-coco-") as name:
        file = Path(name) / "instances.json"
        write_coco(file, images)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                command = [sys.executable, "-m", "benchmarks.coco", way, str(file)]
                found[way].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        figures = {
            way: {key: round(statistics.median(each[key] for each in taken), 1) for key in taken[0]}
            for way, taken in found.items()
        }
        own = figures["opened"]["peak_mib"] - figures["nothing"]["peak_mib"]
        return {
            "annotations": images * OBJECTS,
            "file_mib": round(file.stat().st_size / 2**20, 1),
            "rounds": rounds,
            "ways": figures,
            "bytes_an_annotation": round(own * 2**20 / (images * OBJECTS)),
            "json_bytes_an_annotation": round(
                (figures["json"]["peak_mib"] - figures["nothing"]["peak_mib"]) * 2**20 / (images * OBJECTS)
            ),
        }


def write_coco(file: Path, images: int) -> None:
    """The file, piece by piece."""
    random = np.random.default_rng(0)
    with file.open("w") as out:
        out.write('{"info": {"year": 2026}, "images": [')
        for number in range(images):
            facts = {"id": number, "file_name": f"{number:012}.jpg", "width": 640, "height": 480, "license": 1}
            out.write((", " if number else "") + json.dumps(facts))
        out.write('], "annotations": [')
        for number in range(images * OBJECTS):
            x, y, w, h = (random.uniform(1, 300, 4) * (1, 0.7, 1, 0.7)).round(2).tolist()
            corners = (random.random((CORNERS, 2)) * (w, h) + (x, y)).round(2).reshape(-1).tolist()
            facts = {
                "id": number,
                "image_id": number // OBJECTS,
                "category_id": number % 80 + 1,
                "bbox": [x, y, w, h],
                "area": round(w * h, 3),
                "iscrowd": 0,
                "segmentation": [corners],
            }
            out.write((", " if number else "") + json.dumps(facts))
        categories = [{"id": number, "name": f"class {number}"} for number in range(1, 81)]
        out.write(f'], "categories": {json.dumps(categories)}}}')


def _read(way: str, file: Path) -> None:
    from rows.regions import RegionOptions
    from rows.tables import open_table

    if way == "json":
        with file.open() as opened:
            json.load(opened)
    elif way != "nothing":
        table = open_table(file, regions=RegionOptions(background="fill" if way == "masks" else "keep"))
        if way != "opened":
            assert sum(len(batch) for batch in table.batches(1024)) == table.num_rows


if __name__ == "__main__":
    started = time.perf_counter()
    _read(sys.argv[1], Path(sys.argv[2]))
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_mib": peak_mib()}))
