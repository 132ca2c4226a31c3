"""The tuning of a published model: the batch size, instances and threads that run it fastest on this machine.

Decisions a reader would question:
- Cells (an arrangement of threads and a batch size) are measured in short slices, in rounds, and the median counts:
  what else the machine does in one second must not decide for one of them.
- Fewer instances win unless more are clearly faster: each holds a copy of the weights, and a request that comes alone
  is answered sooner by all cores than by one.
- The smallest batch that is nearly the fastest is preferred: what waits for a larger one waits longer.
"""

from __future__ import annotations

import datetime
import platform
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from artifact.images.cores import available_cores
from artifact.model.manifest import Manifest
from artifact.repository.changes import changing
from artifact.repository.reading import open_repository
from artifact.repository.triton_config import MAX_BATCH_SIZE
from artifact.repository.tuning import Tuning, set_tuning
from serving.embedded.instances import Instances

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
DEFAULT_SECONDS = 20.0
NEARLY = 0.95
"""A batch whose rate is this much of the fastest is as good: medians of a busy machine differ by as much."""
CLEARLY = 1.10
"""More instances have to be so much faster."""
NOISY = 0.3
"""An idle machine's slices differ by a few percent, those of one that is shared by as much as the batch sizes do."""
_ROUNDS = 5
_MAX_SLICE_S = 0.5
_MAX_WEIGHTS_BYTES = 4 * 1024**3
"""Of all sessions together, while they are measured."""


@dataclass(frozen=True, order=True)
class Layout:
    """A number of sessions that run at the same time, and the threads of each."""

    instances: int
    threads: int


@dataclass(frozen=True)
class Measured:
    """Median rate of one cell, in rows a second, over so many slices; `spread` is (largest - smallest) / median."""

    instances: int
    threads: int
    batch_size: int
    rows_per_s: float
    slices: int
    spread: float = 0.0


Cell = tuple[Layout, int]
RunSlice = Callable[[Layout, int, float], tuple[float, float]]
"""Run a cell for about so many seconds (0: once): gives rows a second, and seconds of one run."""


def layouts(cores: int, *, weights_bytes: int = 0) -> list[Layout]:
    """One session of all cores, one a core of one thread, and the powers of two between; those that fit memory."""
    counts = sorted({1, cores} | {2**power for power in range(1, cores.bit_length()) if 2**power <= cores})
    fitting, total = [], 0
    for count in counts:
        total += count * weights_bytes
        if count == 1 or total <= _MAX_WEIGHTS_BYTES:
            fitting.append(Layout(count, cores // count))
    return fitting


def measure(
    arrangements: Sequence[Layout],
    run_slice: RunSlice,
    *,
    seconds: float,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    clock: Callable[[], float] = time.monotonic,
) -> list[Measured]:
    """Measure every cell in interleaved rounds until the time is over.

    Sizes of which one run is predicted to last much longer than a slice are left out; the first cell never is.

    Args:
        seconds: for all of it; a slice that has begun is finished.

    Returns:
        The cells that were measured, in the order of `arrangements` and `batch_sizes`.
    """
    end = clock() + seconds
    slice_s = min(_MAX_SLICE_S, seconds / (_ROUNDS * len(arrangements) * len(batch_sizes)))
    rates: dict[Cell, list[float]] = {}
    for layout in arrangements:
        predicted_s = 0.0
        for batch_size in batch_sizes:
            if rates and (predicted_s > 1.5 * slice_s or clock() >= end):
                break
            rate, run_s = run_slice(layout, batch_size, 0.0)
            if run_s < slice_s:  # the first run of a shape plans its memory; the next shows what it costs
                rate, run_s = run_slice(layout, batch_size, 0.0)
            rates[layout, batch_size] = [rate]  # stands only if no time is left for a slice
            predicted_s = 2 * run_s
    slices: dict[Cell, list[float]] = {cell: [] for cell in rates}
    while clock() < end:
        for cell in rates:
            if clock() >= end:
                break
            slices[cell].append(run_slice(*cell, slice_s)[0])
    return [
        _measured(layout, batch_size, slices[layout, batch_size] or first)
        for (layout, batch_size), first in rates.items()
    ]


def _measured(layout: Layout, batch_size: int, rates: Sequence[float]) -> Measured:
    median = statistics.median(rates)
    spread = (max(rates) - min(rates)) / median
    return Measured(layout.instances, layout.threads, batch_size, median, len(rates), spread)


def is_noisy(measured: Sequence[Measured]) -> bool:
    """Whether slices of one and the same cell differ so much that the choice may be the machine's other work's."""
    return statistics.median(cell.spread for cell in measured) > NOISY


def choose(measured: Sequence[Measured]) -> Measured:
    """The cell to serve with: fewest instances, then the smallest batch, that is not clearly slower than the best."""
    fastest: dict[int, float] = {}
    for cell in measured:
        fastest[cell.instances] = max(fastest.get(cell.instances, 0.0), cell.rows_per_s)
    instances = min(count for count, rate in fastest.items() if rate * CLEARLY >= max(fastest.values()))
    good = [cell for cell in measured if cell.instances == instances]
    return min(
        (cell for cell in good if cell.rows_per_s >= NEARLY * fastest[instances]), key=lambda cell: cell.batch_size
    )


def tune(
    repository: Path, name: str, *, version: int | None = None, device: str = "cpu", seconds: float = DEFAULT_SECONDS
) -> Tuning:
    """Measure a published model on this machine and write what is fastest into its config.

    The artifact is not touched; later versions and rollbacks keep the settings. A running server follows when it is
    told to load the model again.

    Args:
        version: default the one served.
        seconds: for the measurement.

    Returns:
        What was written; its record says what was measured.

    Raises:
        ModelNotFoundError, RepositoryError: no such model or version, or a repository that cannot be written.
        ArtifactError, UsageError: the artifact cannot be run, or not on this device.
    """
    model = open_repository(repository).model(name)
    version = model.newest_served() if version is None else version
    manifest = model.manifest(version)
    cores = available_cores()
    arrangements = layouts(cores, weights_bytes=manifest.content.size) if device == "cpu" else [Layout(1, cores)]
    sessions = {
        one: Instances(model.artifact(version), count=one.instances, threads=one.threads, device=device)
        for one in arrangements
    }
    started = datetime.datetime.now(datetime.UTC)
    measured = measure(arrangements, _Runner(sessions, manifest), seconds=seconds)
    chosen = choose(measured)
    tuning = Tuning(
        device=device,
        instances=chosen.instances,
        threads=chosen.threads if device == "cpu" else 0,
        preferred_rows=chosen.batch_size,
        record={
            "measured": [
                asdict(cell) | {"rows_per_s": round(cell.rows_per_s, 1), "spread": round(cell.spread, 2)}
                for cell in measured
            ],
            "noisy": is_noisy(measured),
            "machine": _machine(device, cores),
            "time": started.isoformat(timespec="seconds"),
            "version": version,
            "digest": manifest.digest,
        },
    )
    with changing(repository) as change:
        model = open_repository(repository).model(name)  # as it is now: others may have published meanwhile
        set_tuning(model.config, tuning)
        change.configure(name, model.config)
        change.commit()
    return tuning


class _Runner:
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


def _machine(device: str, cores: int) -> dict[str, object]:
    import onnxruntime

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    return {"device": device, "processor": processor, "cores": cores, "onnxruntime": onnxruntime.__version__}
