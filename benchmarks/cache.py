"""What a server's cache costs a new image and saves a known one: the key alone, a miss, a hit, and no cache at all.

One row a request, in process, without a transport: MobileNetV3-small and ResNet-18 at 224 px, by pixels (150 KB) and by
JPEG (640x480). Rounds alternate between a store with a cache and one without; every image of a miss is new.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import AnyArray
from benchmarks.scoring_data import MODEL, SIZE_PX, publish_network, write_photographs
from serving.embedded.cache.keys import RowKeys
from serving.embedded.models.following import Following
from serving.embedded.models.store import ModelStore
from serving.embedded.options import ServerOptions
from serving.embedded.requests.caller import PATIENT

BASES = ("mobilenetv3_small_100", "resnet18")
ROUNDS, IMAGES = 15, 8


def run() -> dict[str, Any]:
    """{network: {input: microseconds a row of each way, and what share of a run the key is}}."""
    found: dict[str, Any] = {"rounds": ROUNDS, "images_a_round": IMAGES}
    for base in BASES:
        with tempfile.TemporaryDirectory() as folder:
            _, repository = publish_network(Path(folder), base=base)
            found[base] = _measure(repository, Path(folder))
    return found


def _measure(repository: Path, folder: Path) -> dict[str, Any]:
    stores = [ModelStore(repository, ServerOptions(cache_mb=size_mb)) for size_mb in (0, 64)]
    try:
        for store in stores:
            Following(store, ServerOptions()).start()
        num_images = (ROUNDS + 1) * IMAGES
        drawn = np.random.default_rng(0).integers(0, 256, (num_images, 1, SIZE_PX, SIZE_PX, 3), np.uint8)
        files = [
            np.array([[file.read_bytes()]], object)
            for home in write_photographs(folder / "photographs", num_images)
            for file in sorted(home.iterdir())
        ]
        return {
            "pixels": _compare(*(store.find(MODEL) for store in stores), list(drawn)),
            "JPEG": _compare(*(store.find(f"{MODEL}_encoded") for store in stores), files),
        }
    finally:
        for store in stores:
            store.close()


def _compare(plain: Any, cached: Any, images: Sequence[AnyArray]) -> dict[str, float]:
    keys = RowKeys({})
    ways: dict[str, Callable[[AnyArray], object]] = {
        "none": lambda image: plain.infer({"image": image}, 1, caller=PATIENT),
        "key": lambda image: keys.of({"image": image}, 1),
        "miss": lambda image: cached.infer({"image": image}, 1, caller=PATIENT),
        "hit": lambda image: cached.infer({"image": image}, 1, caller=PATIENT),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for start in range(0, len(images), IMAGES):
        for name, way in ways.items():
            started = time.perf_counter()
            for image in images[start : start + IMAGES]:
                way(image)
            times[name].append((time.perf_counter() - started) / IMAGES * 1e6)
    medians = {f"{name}_us": round(statistics.median(each[1:]), 1) for name, each in times.items()}
    ratios = {
        "key_of_none": [key / none for key, none in zip(times["key"], times["none"], strict=True)],
        "miss_of_none": [miss / none for miss, none in zip(times["miss"], times["none"], strict=True)],
    }
    return medians | {name: round(statistics.median(each[1:]), 4) for name, each in ratios.items()}
