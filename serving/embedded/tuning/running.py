"""Cells run on real sessions of an artifact, and the words for the machine that they ran on."""

from __future__ import annotations

import platform
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from artifact.model.manifest import Manifest
from artifact.repository.triton_config import MAX_BATCH_SIZE
from serving.embedded.models.instances import Instances
from serving.embedded.tuning.measuring import Layout


class Runner:
    """Runs cells on real sessions: every instance runs batch after batch until the slice is over."""

    def __init__(self, sessions: dict[Layout, Instances], manifest: Manifest) -> None:
        draw = np.random.default_rng(0)
        size = manifest.pixels
        shape = (MAX_BATCH_SIZE, size.height, size.width, 3)
        self._pixels = {name: draw.integers(0, 256, shape, np.uint8) for name in manifest.inputs}
        self._sessions = sessions

    def __call__(self, layout: Layout, batch_size: int, slice_s: float) -> tuple[float, float]:
        feeds = {name: rows[:batch_size] for name, rows in self._pixels.items()}
        sessions, together = self._sessions[layout], threading.Barrier(layout.instances)

        def run_until_over(_: int) -> tuple[int, float]:
            together.wait()
            start, runs = time.perf_counter(), 0
            while True:
                sessions.run(feeds)
                runs += 1
                passed_s = time.perf_counter() - start
                if passed_s >= slice_s:
                    return runs, passed_s

        with ThreadPoolExecutor(layout.instances) as pool:
            done = list(pool.map(run_until_over, range(layout.instances)))
        return sum(runs * batch_size / passed_s for runs, passed_s in done), max(s / runs for runs, s in done)


def machine(device: str, cores: int) -> dict[str, object]:
    import onnxruntime

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    return {"device": device, "processor": processor, "cores": cores, "onnxruntime": onnxruntime.__version__}
