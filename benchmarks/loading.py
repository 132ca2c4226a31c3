"""Pixels of an epoch: from the cache on disk, beside decoding every file each time; 640x480 JPEGs to 112 px.

The two take turns within one run, on the same batches of 100 images in the same order; medians, and the median of the
rounds' ratios. CPU seconds are those of all threads. Beside that: what the first reading costs with and without writing
the cache, and how long a second run takes to begin.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from artifact.images.preprocessing import Preprocessing
from benchmarks.preprocessing import photographs
from trainer.data.class_sets import open_class_folder
from trainer.data.images import Images, read_images
from trainer.pixels.cache import PixelCache

IMAGES, BATCH, ROUNDS, FIRST_ROUNDS = 1000, 100, 9, 3
SIZE_PX = 112
HOUR_S = 3600


def run() -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="lookalike-loading-"))
    try:
        write_photographs(folder / "images")
        return {"images": IMAGES, "size_px": SIZE_PX} | measure_first(folder) | measure_epochs(folder)
    finally:
        shutil.rmtree(folder)


def write_photographs(folder: Path) -> None:
    """JPEGs that differ in a comment alone: as many contents as files."""
    files = photographs()
    for index in range(IMAGES):
        path = folder / str(index % 10) / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        data, comment = files[index % len(files)], f"{index:08d}".encode()
        path.write_bytes(data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:])
        os.utime(path, (time.time() - HOUR_S,) * 2)
    time.sleep(2.1)  # a file that has just changed is not trusted to stay as it is


def open_images(folder: Path, *, cached: bool) -> Images:
    preprocessing = Preprocessing(height=SIZE_PX, width=SIZE_PX)
    cache = PixelCache(folder / "cache", preprocessing, max_bytes=2**30, warn=print) if cached else None
    return read_images(open_class_folder(folder / "images"), preprocessing, max_cache_bytes=0, cache=cache)[0]


def measure_first(folder: Path) -> dict[str, Any]:
    """Reading all once, and again in another run."""
    times: dict[str, list[tuple[float, float]]] = {"read": [], "read_and_write": [], "second_run": []}
    for _ in range(FIRST_ROUNDS):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        for name in times:
            times[name].append(timed(lambda name=name: open_images(folder, cached=name != "read")))
    return {f"first_{name}": summary(values, per=IMAGES) for name, values in times.items()}


def measure_epochs(folder: Path) -> dict[str, Any]:
    """Epochs after the first."""
    cached, decoded = open_images(folder, cached=True), open_images(folder, cached=False)
    assert (cached.store.num_kept, decoded.store.num_kept) == (IMAGES, 0)
    some = np.arange(0, IMAGES, 37)
    assert np.array_equal(cached.pixels(some), decoded.pixels(some))
    ours, theirs = [], []
    for epoch in range(ROUNDS):
        order = np.random.default_rng(epoch).permutation(IMAGES)
        batches = [order[start : start + BATCH] for start in range(0, IMAGES, BATCH)]
        for images, times in ((cached, ours), (decoded, theirs)):
            times.append(timed(lambda images=images, batches=batches: [images.pixels(rows) for rows in batches]))
    cpu, wall = ([b[column] / a[column] for a, b in zip(ours, theirs, strict=True)] for column in (0, 1))
    return {
        "cached": summary(ours, per=IMAGES),
        "decoded": summary(theirs, per=IMAGES),
        "times_less_cpu": round(statistics.median(cpu), 1),
        "times_less_wall": round(statistics.median(wall), 1),
    }


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of all threads, and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return time.process_time() - cpu, time.perf_counter() - wall


def summary(times: list[tuple[float, float]], *, per: int) -> dict[str, float]:
    """Medians in milliseconds an image."""
    cpu, wall = (statistics.median(values) for values in zip(*times, strict=True))
    return {"cpu_ms": round(1e3 * cpu / per, 4), "wall_ms": round(1e3 * wall / per, 4)}
