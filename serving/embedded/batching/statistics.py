"""Counters of a model version, as Triton counts: rows and runs, and where the time of requests went."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from artifact.errors import UnavailableError
from serving.embedded.requests.caller import CANCELLED

REASONS = ("BACKEND", "CANCELED", "OTHER", "REJECTED")
"""Why a request fails, in the words of Triton's metrics."""


def reason_of(error: Exception, *, otherwise: str = "OTHER") -> str:
    """Which of REASONS ended a request; `otherwise` where neither the queue nor the client did."""
    if not isinstance(error, UnavailableError):
        return otherwise
    return "CANCELED" if str(error) == CANCELLED else "REJECTED"


@dataclass
class Duration:
    """A count of something, and the nanoseconds of all together."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int, count: int = 1) -> None:
        self.count += count
        self.ns += ns


class RunTimes(NamedTuple):
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
        for part, ns in zip((self.compute_input, self.compute_infer, self.compute_output), times, strict=True):
            part.count += count
            part.ns += ns * count


class Statistics:
    """Counters of one model version; safe to use from any thread.

    Attributes, to be read under `lock`:
        inference_count: rows answered.
        execution_count: runs of the model; merging requests makes it smaller than the number of requests.
        last_inference_ms: wall clock of the last answer, milliseconds since 1970; 0 before the first.
        success, fail, queue: requests, from their arrival in the model to their answer; `queue` is the waiting in it.
        cache_hit, cache_miss: requests of a cached model, all of whose rows were there, or not all; the time is that
            of looking them up and keeping them. As in Triton the former count in `success` and `queue` too, and in
            nothing else.
        cached_rows: rows answered without a run, of either.
        requests: the three parts of computing, once for every request of a run.
        batches: {rows of a run: the three parts of computing, once for every run}.
        failures: {one of REASONS: requests}; those that found the queue full are in it, and not in `fail`.
        bad_images: of requests that were refused for them.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inference_count = self.execution_count = self.last_inference_ms = 0
        self.success, self.fail, self.queue = Duration(), Duration(), Duration()
        self.cache_hit, self.cache_miss, self.cached_rows = Duration(), Duration(), 0
        self.requests = BatchCounts()
        self.batches: dict[int, BatchCounts] = {}
        self.failures = dict.fromkeys(REASONS, 0)
        self.bad_images = 0

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

    def add_hit(self, num_rows: int, ns: int, *, lookup_ns: int) -> None:
        """One request that was answered without a run, `ns` nanoseconds after it came."""
        with self.lock:
            self.queue.add(0)
            self.success.add(ns)
            self.cache_hit.add(lookup_ns)
            self.cached_rows += num_rows

    def add_miss(self, num_cached: int, *, lookup_ns: int) -> None:
        """One request that was run but for `num_cached` of its rows; `add_run` counts the rest."""
        with self.lock:
            self.success.ns += lookup_ns
            self.cache_miss.add(lookup_ns)
            self.cached_rows += num_cached

    def add_failure(self, ns: int, reason: str = "OTHER") -> None:
        """One request that was accepted and failed `ns` nanoseconds later, for one of REASONS."""
        with self.lock:
            self.fail.add(ns)
            self.failures[reason] += 1

    def add_rejection(self) -> None:
        """One request that found the queue full."""
        with self.lock:
            self.failures["REJECTED"] += 1

    def add_bad_images(self, count: int) -> None:
        """So many images of one request could not be read."""
        with self.lock:
            self.bad_images += count
