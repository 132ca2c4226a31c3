"""Dynamic batching: requests that wait for one model version run together, whole, in their order.

Decisions a reader would question:
- Never wait for a batch: a request that finds the model idle runs at once, in the thread that brought it, because
  handing it to another thread costs more than a small network does. What comes meanwhile gathers for the worker.
- If a merged run fails, each of its requests runs alone, so that only the one at fault notices.
- One run at a time: onnxruntime spreads a run over its own threads, a second run would only compete for them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import ServerError, UnavailableError
from serving.statistics import RunTimes, Statistics

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

QUEUE_FULL = "Exceeds maximum queue size"
TIMED_OUT = "Request timeout expired"
STOPPING = "Server is stopping, scheduler for model has stopped accepting new inference requests"
CANCELLED = "the request was cancelled or its deadline passed while it waited"


def always_active() -> bool:
    """For callers that never give up on a request."""
    return True


@dataclass(frozen=True)
class QueuePolicy:
    """How requests may wait.

    Attributes:
        max_requests: more are refused.
        max_rows: of one run; requests are merged up to it. No request may have more.
        merges: False runs every request alone.
        timeout_ns: longest wait of a request; 0 for no limit.
    """

    max_requests: int
    max_rows: int
    merges: bool = True
    timeout_ns: int = 0


@dataclass
class _Job:
    feeds: Mapping[str, Array]
    num_rows: int
    is_active: Callable[[], bool]
    answer: Future[Arrays] = field(default_factory=Future)
    arrived_ns: int = field(default_factory=time.perf_counter_ns)


class Batcher:
    """Runs requests one batch at a time; those that wait are merged by a thread of its own.

    Args:
        run: {input: [N, ...]} to {output: [N, ...]}; called by one thread at a time, on arrays that it must not keep.
        policy: see QueuePolicy.
        statistics: counts every run and failure.
        name: of the thread, for debuggers.
    """

    def __init__(
        self,
        run: Callable[[Mapping[str, Array]], Mapping[str, Array]],
        policy: QueuePolicy,
        statistics: Statistics,
        *,
        name: str = "batcher",
    ) -> None:
        self._run, self._policy, self._statistics = run, policy, statistics
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = self._running = False
        self._buffers: Arrays = {}
        self._worker = threading.Thread(target=self._work, name=name, daemon=True)
        self._worker.start()

    @property
    def num_waiting(self) -> int:
        """Requests that wait."""
        return len(self._jobs)

    def infer(
        self, feeds: Mapping[str, Array], num_rows: int, *, is_active: Callable[[], bool] = always_active
    ) -> Arrays:
        """Wait for the outputs of N rows.

        Args:
            feeds: {input: [N, ...]}, right in type and shape: nothing is checked here. Not written to, not kept.
            num_rows: N.
            is_active: False once nobody waits for the answer; then the request does not run.

        Raises:
            UnavailableError: the queue is full, the batcher is closed, or the request was given up or timed out.
            ServerError: the model failed on this very request.
        """
        job = _Job(feeds, num_rows, is_active)
        with self._changed:
            if self._closed:
                raise UnavailableError(STOPPING)
            if len(self._jobs) >= self._policy.max_requests:
                raise UnavailableError(QUEUE_FULL)
            is_idle = not self._running and not self._jobs
            if is_idle:
                self._running = True
            else:
                self._jobs.append(job)  # whoever runs wakes the worker afterwards
        if is_idle:
            self._answer_and_rest([job])
        return job.answer.result()

    def close(self, *, drain: bool = True) -> None:
        """Take no more requests and end the thread; those that wait run first, or without `drain` are refused."""
        with self._changed:
            self._closed = True
            left = [] if drain else list(self._jobs)
            if not drain:
                self._jobs.clear()
            self._changed.notify()
        for job in left:
            job.answer.set_exception(UnavailableError(STOPPING))
        self._worker.join()

    def _work(self) -> None:
        while jobs := self._next_jobs():
            self._answer_and_rest(jobs)
            jobs.clear()  # while waiting for the next, nothing is held in memory

    def _answer_and_rest(self, jobs: Sequence[_Job]) -> None:
        try:
            self._answer(jobs)
        finally:
            with self._changed:
                self._running = False
                if self._jobs or self._closed:
                    self._changed.notify()

    def _next_jobs(self) -> list[_Job]:
        """The longest run of waiting requests that fits, which is then the one that runs; empty once all is over."""
        jobs: list[_Job] = []
        num_rows = 0
        while not jobs:
            with self._changed:
                while self._running or not (self._jobs or self._closed):
                    self._changed.wait()
                if not self._jobs:
                    return []
                waiting: list[_Job] = []
                while self._jobs and (not waiting or self._fits(num_rows + self._jobs[0].num_rows)):
                    waiting.append(self._jobs.popleft())
                    num_rows += waiting[-1].num_rows
                self._running = True
            jobs = [job for job in waiting if self._is_wanted(job)]
            if not jobs:
                with self._changed:
                    self._running = False
            num_rows = 0
        return jobs

    def _fits(self, num_rows: int) -> bool:
        return self._policy.merges and num_rows <= self._policy.max_rows

    def _is_wanted(self, job: _Job) -> bool:
        """Whether a request is still worth running; if not, it is answered here."""
        waited_ns = time.perf_counter_ns() - job.arrived_ns
        reason = ""
        if 0 < self._policy.timeout_ns < waited_ns:
            reason = TIMED_OUT
        elif not job.is_active():
            reason = CANCELLED
        if reason:
            self._statistics.add_failure(waited_ns)
            job.answer.set_exception(UnavailableError(reason))
        return not reason

    def _answer(self, jobs: Sequence[_Job]) -> None:
        started_ns = time.perf_counter_ns()
        try:
            feeds = jobs[0].feeds if len(jobs) == 1 else self._merged(jobs)
            merged_ns = time.perf_counter_ns()
            outputs = self._run(feeds)
            ran_ns = time.perf_counter_ns()
            answers = _split(outputs, [job.num_rows for job in jobs])
        except Exception as error:
            if len(jobs) > 1:
                for job in jobs:
                    self._answer([job])
                return
            self._statistics.add_failure(time.perf_counter_ns() - jobs[0].arrived_ns)
            jobs[0].answer.set_exception(ServerError("the model failed", got=str(error)))
            return
        times = RunTimes(merged_ns - started_ns, ran_ns - merged_ns, time.perf_counter_ns() - ran_ns)
        num_rows = sum(job.num_rows for job in jobs)
        self._statistics.add_run(num_rows, [started_ns - job.arrived_ns for job in jobs], times)
        for job, answer in zip(jobs, answers, strict=True):
            job.answer.set_result(answer)

    def _merged(self, jobs: Sequence[_Job]) -> Arrays:
        """The feeds of several requests one after the other, in buffers that every run uses again."""
        num_rows = sum(job.num_rows for job in jobs)
        merged = {}
        for name, first in jobs[0].feeds.items():
            buffer = self._buffers.get(name)
            if buffer is None:
                buffer = self._buffers[name] = np.empty((self._policy.max_rows, *first.shape[1:]), first.dtype)
            merged[name] = np.concatenate([job.feeds[name] for job in jobs], out=buffer[:num_rows])
        return merged


def _split(outputs: Mapping[str, Array], lengths: Sequence[int]) -> list[Arrays]:
    """The rows of each request: views, in the order of the requests."""
    ends = np.cumsum(lengths).tolist()
    for name, array in outputs.items():
        if len(array) != ends[-1]:
            raise ServerError(f"output {name!r}", expected=f"{ends[-1]} rows", got=str(len(array)))
    return [
        {name: array[end - length : end] for name, array in outputs.items()}
        for length, end in zip(lengths, ends, strict=True)
    ]
