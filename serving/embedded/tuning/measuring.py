"""Which batch size, instances and threads are fastest: cells measured in slices, and the choice between them.

Decisions a reader would question:
- Cells (an arrangement of threads and a batch size) are measured in short slices, in rounds, and the median counts:
  what else the machine does in one second must not decide for one of them.
- Fewer instances win unless more are faster: each holds a copy of the weights. A request that comes alone has all cores
  either way (models/instances.py).
- The smallest batch that is nearly the fastest is preferred: what waits for a larger one waits longer.
- What is measured is an idle machine, what is chosen for is a server: what a run costs it besides the network counts,
  which a batch has once; and of a run of several threads all wait for the one whose core the server takes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
DEFAULT_SECONDS = 20.0
NEARLY = 0.95
"""A batch whose rate is this much of the fastest is as good: medians of a busy machine differ by as much."""
CLEARLY = 1.02
"""More instances have to be so much faster, in a server."""
STALLED = 0.95
"""What a run of several threads keeps of its rate beside a server's own threads: real Triton and this server lose up
to 15 % at 4 to 64 requests at a time (docs/decisions/0031)."""
NOISY = 0.3
"""An idle machine's slices differ by a few percent, those of one that is shared by as much as the batch sizes do."""
RUN_S = 0.0003
"""Processor time that a run costs the server beside the network: threads that wake, Python (docs/decisions/0036)."""
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


def layouts(cores: int, *, weights_bytes: int = 0, max_bytes: int = _MAX_WEIGHTS_BYTES) -> list[Layout]:
    """One session of all cores, one a core of one thread, and the powers of two between.

    Args:
        weights_bytes: of one session.
        max_bytes: of all sessions of all layouts, since they are open together; the first layout is there anyway.
    """
    counts = sorted({1, cores} | {2**power for power in range(1, cores.bit_length()) if 2**power <= cores})
    fitting, total = [], 0
    for count in counts:
        total += count * weights_bytes
        if count == 1 or total <= max_bytes:
            fitting.append(Layout(count, cores // count))
    return fitting


def measure(
    arrangements: Sequence[Layout],
    run_slice: RunSlice,
    *,
    seconds: float,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    max_rows: int | None = None,
    max_slice_s: float = _MAX_SLICE_S,
    clock: Callable[[], float] = time.monotonic,
) -> list[Measured]:
    """Measure every cell in interleaved rounds until the time is over.

    Sizes of which one run is predicted to last much longer than a slice are left out; the first cell never is.

    Args:
        seconds: for all of it; a slice that has begun is finished.
        max_rows: that all instances of a cell may run at a time; cells of more are left out.
        max_slice_s: longest slice.

    Returns:
        The cells that were measured, in the order of `arrangements` and `batch_sizes`.
    """
    end = clock() + seconds
    slice_s = min(max_slice_s, seconds / (_ROUNDS * len(arrangements) * len(batch_sizes)))
    rates: dict[Cell, list[float]] = {}
    for layout in arrangements:
        predicted_s = 0.0
        for batch_size in batch_sizes:
            is_large = max_rows is not None and layout.instances * batch_size > max_rows
            if rates and (is_large or predicted_s > 1.5 * slice_s or clock() >= end):
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
    rates = {cell: _served_rows_per_s(cell) for cell in measured}
    fastest: dict[int, float] = {}
    for cell, rate in rates.items():
        fastest[cell.instances] = max(fastest.get(cell.instances, 0.0), rate)
    instances = min(count for count, rate in fastest.items() if rate * CLEARLY >= max(fastest.values()))
    good = [cell for cell, rate in rates.items() if cell.instances == instances and rate >= NEARLY * fastest[instances]]
    return min(good, key=lambda cell: cell.batch_size)


def _served_rows_per_s(cell: Measured) -> float:
    """The rate of a cell in a server: STALLED, and with RUN_S of other work on the same cores with every run."""
    alone = cell.rows_per_s * (STALLED if cell.threads > 1 else 1.0)
    return 1 / (1 / alone + RUN_S / (cell.batch_size * cell.instances * cell.threads))
