"""Dynamic batching: requests that wait for one model version run together, whole, in their order.

Decisions a reader would question:
- Never wait for a batch: a request that finds the model idle runs at once, in the thread that brought it, because
  handing it to another thread costs more than a small network does. What comes meanwhile gathers for the worker.
- If a merged run fails, each of its requests runs alone, so that only the one at fault notices.
- As many runs at a time as the model has instances, by default one: onnxruntime spreads a run over its own threads, a
  second run would only compete for them. `lookalike tune` measures where several instances of fewer threads are faster.
- Requests are merged up to the size that was measured to be fast, not up to the largest that may be.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from artifact.arrays import AnyArray
from artifact.errors import ServerError, UnavailableError
from serving.embedded.batching.statistics import RunTimes, Statistics
from serving.protocol import QUEUE_FULL, STOPPING, TIMED_OUT

Arrays = dict[str, AnyArray]

CANCELLED = "the request was cancelled or its deadline passed while it waited"


def always_active() -> bool:
    """For callers that never give up on a request."""
    return True


@dataclass(frozen=True)
class QueuePolicy:
    """The rules of a queue: how many requests may wait, how long, and which run together.

    Attributes:
        max_requests: more are refused.
        max_rows: of one run. No request may have more.
        merges: False runs every request alone.
        preferred_rows: requests are merged up to so many rows, a larger one runs alone; 0 merges up to `max_rows`.
        timeout_ns: longest wait of a request; 0 for no limit.
    """

    max_requests: int
    max_rows: int
    merges: bool = True
    preferred_rows: int = 0
    timeout_ns: int = 0

    def fits(self, num_rows: int) -> bool:
        """Whether requests of so many rows in all may run together."""
        return self.merges and num_rows <= (self.preferred_rows or self.max_rows)


@dataclass
class _Job:
    """One request that waits or runs, and the future of its answer."""

    feeds: Mapping[str, AnyArray]
    num_rows: int
    is_active: Callable[[], bool]
    answer: Future[Arrays] = field(default_factory=Future)
    arrived_ns: int = field(default_factory=time.perf_counter_ns)


class Batcher:
    """Runs requests in batches; those that wait are merged by threads of its own.

    Args:
        run: {input: [N, ...]} to {output: [N, ...]}; called by at most `instances` threads at a time, on arrays that it
            must not keep.
        policy: see QueuePolicy.
        statistics: counts every run and failure.
        instances: runs at a time.
        name: of the threads, for debuggers.
    """

    def __init__(
        self,
        run: Callable[[Mapping[str, AnyArray]], Mapping[str, AnyArray]],
        policy: QueuePolicy,
        statistics: Statistics,
        *,
        instances: int = 1,
        name: str = "batcher",
    ) -> None:
        self._run, self._policy, self._statistics, self._instances = run, policy, statistics, instances
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._num_running = 0
        self._workers = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(instances)]
        for worker in self._workers:
            worker.start()

    def infer(
        self, feeds: Mapping[str, AnyArray], num_rows: int, *, is_active: Callable[[], bool] = always_active
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
            is_idle = self._num_running < self._instances and not self._jobs
            if is_idle:
                self._num_running += 1
            else:
                self._jobs.append(job)  # whoever runs wakes a worker afterwards
        if is_idle:
            self._answer_and_rest([job], {})
        return job.answer.result()

    def close(self, *, drain: bool = True) -> None:
        """Take no more requests and end the threads; those that wait run first, or without `drain` are refused."""
        with self._changed:
            self._closed = True
            left = [] if drain else list(self._jobs)
            if not drain:
                self._jobs.clear()
            self._changed.notify_all()
        for job in left:
            job.answer.set_exception(UnavailableError(STOPPING))
        for worker in self._workers:
            worker.join()
        with self._changed:  # those that found the model idle run in threads of their own
            self._changed.wait_for(lambda: self._num_running == 0)

    def _work(self) -> None:
        buffers: Arrays = {}
        while jobs := self._next_jobs():
            self._answer_and_rest(jobs, buffers)
            jobs.clear()  # while waiting for the next, nothing is held in memory

    def _answer_and_rest(self, jobs: Sequence[_Job], buffers: Arrays) -> None:
        try:
            self._answer(jobs, buffers)
        finally:
            self._rest()

    def _rest(self) -> None:
        """One run has ended: the next may begin."""
        with self._changed:
            self._num_running -= 1
            if self._closed:
                self._changed.notify_all()  # workers that wait for more, and who closes
            elif self._jobs:
                self._changed.notify()

    def _next_jobs(self) -> list[_Job]:
        """The longest run of waiting requests that fits, which is then the one that runs; empty once all is over."""
        while True:
            waiting: list[_Job] = []
            num_rows = 0
            with self._changed:
                while self._num_running >= self._instances or not (self._jobs or self._closed):
                    self._changed.wait()
                if not self._jobs:
                    return []
                while self._jobs and (not waiting or self._policy.fits(num_rows + self._jobs[0].num_rows)):
                    waiting.append(self._jobs.popleft())
                    num_rows += waiting[-1].num_rows
                self._num_running += 1
            if jobs := [job for job in waiting if self._is_wanted(job)]:
                return jobs
            self._rest()

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

    def _answer(self, jobs: Sequence[_Job], buffers: Arrays) -> None:
        started_ns = time.perf_counter_ns()
        try:
            feeds = jobs[0].feeds if len(jobs) == 1 else self._merged(jobs, buffers)
            merged_ns = time.perf_counter_ns()
            outputs = self._run(feeds)
            ran_ns = time.perf_counter_ns()
            answers = _split(outputs, [job.num_rows for job in jobs])
        except Exception as error:
            if len(jobs) > 1:
                for job in jobs:
                    self._answer([job], buffers)
                return
            self._statistics.add_failure(time.perf_counter_ns() - jobs[0].arrived_ns)
            jobs[0].answer.set_exception(ServerError("the model failed", got=str(error)))
            return
        times = RunTimes(merged_ns - started_ns, ran_ns - merged_ns, time.perf_counter_ns() - ran_ns)
        num_rows = sum(job.num_rows for job in jobs)
        self._statistics.add_run(num_rows, [started_ns - job.arrived_ns for job in jobs], times)
        for job, answer in zip(jobs, answers, strict=True):
            job.answer.set_result(answer)

    def _merged(self, jobs: Sequence[_Job], buffers: Arrays) -> Arrays:
        """The feeds of several requests one after the other, in buffers that every run of a worker uses again."""
        num_rows = sum(job.num_rows for job in jobs)
        merged = {}
        for name, first in jobs[0].feeds.items():
            buffer = buffers.get(name)
            if buffer is None:
                buffer = buffers[name] = np.empty((self._policy.max_rows, *first.shape[1:]), first.dtype)
            merged[name] = np.concatenate([job.feeds[name] for job in jobs], out=buffer[:num_rows])
        return merged


def _split(outputs: Mapping[str, AnyArray], lengths: Sequence[int]) -> list[Arrays]:
    """The rows of each request: views, in the order of the requests."""
    ends = np.cumsum(lengths).tolist()
    for name, array in outputs.items():
        if len(array) != ends[-1]:
            raise ServerError(f"output {name!r}", expected=f"{ends[-1]} rows", got=str(len(array)))
    return [
        {name: array[end - length : end] for name, array in outputs.items()}
        for length, end in zip(lengths, ends, strict=True)
    ]
