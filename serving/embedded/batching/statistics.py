"""Counters of a model version, as Triton counts: rows and runs, and where the time of requests went."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Duration:
    """A count of something, and the nanoseconds of all together."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int, count: int = 1) -> None:
        self.count += count
        self.ns += ns


@dataclass(frozen=True)
class RunTimes:
    """Nanoseconds of one run: putting inputs together, the model, taking outputs apart."""

    compute_input: int
    compute_infer: int
    compute_output: int

    @property
    def total(self) -> int:
        return self.compute_input + self.compute_infer + self.compute_output


@dataclass
class BatchCounts:
    """Runs of one batch size."""

    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)

    def add(self, times: RunTimes, count: int = 1) -> None:
        self.compute_input.add(times.compute_input * count, count)
        self.compute_infer.add(times.compute_infer * count, count)
        self.compute_output.add(times.compute_output * count, count)


class Statistics:
    """Counters of one model version; safe to use from any thread.

    Attributes, to be read under `lock`:
        inference_count: rows answered.
        execution_count: runs of the model; merging requests makes it smaller than the number of requests.
        last_inference_ms: wall clock of the last answer, milliseconds since 1970; 0 before the first.
        success, fail, queue: requests, from their arrival in the model to their answer; `queue` is the waiting in it.
        requests: the three parts of computing, once for every request of a run.
        batches: {rows of a run: the three parts of computing, once for every run}.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inference_count = self.execution_count = self.last_inference_ms = 0
        self.success, self.fail, self.queue = Duration(), Duration(), Duration()
        self.requests = BatchCounts()
        self.batches: dict[int, BatchCounts] = {}

    def add_run(self, num_rows: int, queue_ns: Sequence[int], times: RunTimes) -> None:
        """One run that answered requests which had waited `queue_ns` nanoseconds each."""
        with self.lock:
            self.inference_count += num_rows
            self.execution_count += 1
            self.last_inference_ms = time.time_ns() // 1_000_000
            self.queue.add(sum(queue_ns), len(queue_ns))
            self.success.add(sum(queue_ns) + times.total * len(queue_ns), len(queue_ns))
            self.requests.add(times, len(queue_ns))
            self.batches.setdefault(num_rows, BatchCounts()).add(times)

    def add_failure(self, ns: int) -> None:
        """One request that was accepted and failed `ns` nanoseconds later."""
        with self.lock:
            self.fail.add(ns)
