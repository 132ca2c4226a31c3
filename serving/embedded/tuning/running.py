"""Cells of a measurement run on real sessions of an artifact."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np

from artifact.arrays import AnyArray
from artifact.model.manifest import Manifest
from artifact.modes import UINT8, Tensor
from artifact.repository.triton_config import MAX_BATCH_SIZE
from artifact.repository.tuning import Tuning
from serving.embedded.models.instances import Instances
from serving.embedded.tuning.measuring import Layout, Measured, is_noisy


class Runner:
    """Runs cells on real sessions: every instance runs batch after batch until the slice is over.

    Args:
        sessions: those of each layout; looked up with every slice.
        goes_on: asked after every run; where it says no the slice ends early.
        max_rows: of the largest batch.
    """

    def __init__(
        self,
        sessions: Mapping[Layout, Instances],
        manifest: Manifest,
        *,
        goes_on: Callable[[], bool] = lambda: True,
        max_rows: int = MAX_BATCH_SIZE,
    ) -> None:
        draw = np.random.default_rng(0)
        self._rows = {tensor.name: _drawn(tensor, max_rows, draw) for tensor in manifest.inputs}
        self._sessions, self._goes_on = sessions, goes_on

    def __call__(self, layout: Layout, batch_size: int, slice_s: float) -> tuple[float, float]:
        feeds = {name: rows[:batch_size] for name, rows in self._rows.items()}
        sessions, together = self._sessions[layout], threading.Barrier(layout.instances)

        def run_until_over(_: int) -> tuple[int, float]:
            together.wait()
            start, runs = time.perf_counter(), 0
            while True:
                sessions.run(feeds)
                runs += 1
                passed_s = time.perf_counter() - start
                if passed_s >= slice_s or not self._goes_on():
                    return runs, passed_s

        with ThreadPoolExecutor(layout.instances) as pool:
            done = list(pool.map(run_until_over, range(layout.instances)))
        return sum(runs * batch_size / passed_s for runs, passed_s in done), max(s / runs for runs, s in done)


def _drawn(tensor: Tensor, num_rows: int, draw: np.random.Generator) -> AnyArray:
    """Rows of an input at random."""
    shape = tensor.shape(num_rows)
    return draw.integers(0, 256, shape, np.uint8) if tensor.datatype == UINT8 else draw.random(shape, np.float32)


def tuning_of(chosen: Measured, measured: Sequence[Measured], device: str, facts: dict[str, Any]) -> Tuning:
    """What a measurement chose, and its record: every cell, whether the machine was busy, and facts of the caller's."""
    return Tuning(
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
            **facts,
        },
    )
