"""Dynamic batching: requests that wait for one model version run together, whole, as the rules of its queue say.

Decisions a reader would question:
- Never wait for a batch, unless the config asks for it: a request that finds the model idle runs at once, in the thread
  that brought it, because handing it to another thread costs more than a small network does. What comes meanwhile
  gathers for the worker.
- If a merged run fails, its halves run: only the one at fault notices, after a few runs and not one for each request.
- As many runs at a time as the model has instances, by default one: onnxruntime spreads a run over its own threads, a
  second run would only compete for them. `lookalike tune` measures where several instances of fewer threads are faster.
- Requests are merged up to the size that was measured to be fast, not up to the largest that may be.
- A request that is given up, or whose time is over, leaves the queue when that happens and not when its turn comes: its
  place and its thread are free for others.
"""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from artifact.arrays import AnyArray
from artifact.errors import ServerError, UnavailableError
from serving.embedded.batching.policy import BatchingPolicy
from serving.embedded.batching.queue import Arrays, Dropped, Job, WaitingQueue
from serving.embedded.batching.statistics import RunTimes, Statistics
from serving.embedded.requests.caller import CANCELLED, PATIENT, Caller
from serving.protocol import STOPPING

_LONG_NS = 200_000
"""Runs that take so long let other requests have the places of their threads (Presence.resting)."""

Run = Callable[[Mapping[str, AnyArray]], Mapping[str, AnyArray]]


class Batcher:
    """Runs requests in batches; those that wait are merged by threads of its own.

    Args:
        run: {input: [N, ...]} to {output: [N, ...]}; called by at most `instances` threads at a time, on arrays that it
            must not keep.
        policy: see BatchingPolicy.
        statistics: counts every run and failure.
        instances: runs at a time.
        name: of the threads, for debuggers.
    """

    def __init__(
        self, run: Run, policy: BatchingPolicy, statistics: Statistics, *, instances: int = 1, name: str = "batcher"
    ) -> None:
        self._run, self._policy, self._statistics, self._instances = run, policy, statistics, instances
        self._queue = WaitingQueue(policy)
        self._order: deque[Job] = deque()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)  # which is slower to enter than the lock itself
        self._closed = False
        self._num_running = 0
        self._fastest_ns = 0.0  # a run, of late
        self._name = name
        self._workers: list[threading.Thread] = []
        self._hire()

    @property
    def num_waiting(self) -> int:
        """Requests in the queue."""
        with self._lock:
            return len(self._queue)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def infer(self, feeds: Mapping[str, AnyArray], num_rows: int, *, caller: Caller = PATIENT) -> Arrays:
        """Wait for the outputs of N rows.

        Args:
            feeds: {input: [N, ...]}, right in type and shape: nothing is checked here. Not written to, not kept.
            num_rows: N.
            caller: who waits; a request that nobody waits for any more does not run.

        Raises:
            UnavailableError: the queue is full, the batcher is closed, or the request was given up or timed out.
            ServerError: the model failed on this very request.
        """
        shape = tuple(array.shape[1:] for array in feeds.values()) if self._policy.varies else None
        job = Job(feeds, num_rows, caller, time.perf_counter_ns(), shape)
        with self._lock:
            if self._closed:
                raise UnavailableError(STOPPING)
            is_free = self._num_running < self._instances
            is_idle = is_free and not self._queue and not self._policy.delay_ns
            if is_idle:
                self._begin([job])
            else:
                self._put(job)
                if is_free:
                    self._changed.notify()
        if is_idle:
            with self._resting(caller):
                self._answer_and_rest([job], {})
            return job.answer.result()
        caller.presence.when_gone(functools.partial(self._give_up, job))
        with self._resting(caller):
            return self._waited_for(job)

    def close(self, *, drain: bool = True) -> None:
        """Take no more requests and end the threads; those that wait run first, or without `drain` are refused."""
        with self._lock:
            self._closed = True
            if not drain:
                for job in self._queue.drain():
                    job.answer.set_exception(UnavailableError(STOPPING))
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()
        with self._lock:  # those that found the model idle run in threads of their own
            self._changed.wait_for(lambda: self._num_running == 0)

    def _resting(self, caller: Caller) -> AbstractContextManager[None]:
        """Let others have the place of a thread for as long as a run takes, unless it is over before they wake."""
        return caller.presence.resting() if self._fastest_ns > _LONG_NS else nullcontext()

    def rearrange(self, run: Run, policy: BatchingPolicy, *, instances: int) -> None:
        """From the next run on, run otherwise; what waits is not asked again whether it may. Once closed, nothing.

        Args:
            policy: with the same rows, levels and order as before.
        """
        with self._lock:
            if self._closed:
                return
            self._run, self._policy, self._instances = run, policy, instances
            self._queue.policy = policy
            self._hire()
            self._changed.notify_all()

    def _hire(self) -> None:
        """As many threads as runs at a time; those that are too many wait."""
        while len(self._workers) < self._instances:
            self._workers.append(threading.Thread(target=self._work, name=self._name, daemon=True))
            self._workers[-1].start()

    def _put(self, job: Job) -> None:
        """Let a job wait, if need be in the place of those that nobody waits for."""
        try:
            self._queue.put(job, job.arrived_ns)
        except UnavailableError:
            dropped = self._queue.sweep(job.arrived_ns)
            if not dropped:
                self._statistics.add_rejection()
                raise
            self._refuse(dropped)
            self._queue.put(job, job.arrived_ns)

    def _waited_for(self, job: Job) -> Arrays:
        """The answer of a job that waits, refused by the thread that brought it once its time is over."""
        while job.expires_ns:
            try:
                return job.answer.result(max(0.0, (job.expires_ns - time.perf_counter_ns()) / 1e9))
            except TimeoutError:
                if job.answer.done():
                    break
            with self._lock:
                found, _ = self._queue.overdue(job, time.perf_counter_ns())
                if found is not None:
                    self._refuse([found])
                elif time.perf_counter_ns() > job.expires_ns:
                    break  # it runs
        return job.answer.result()

    def _give_up(self, job: Job) -> None:
        """Nobody waits for a job any more: if it has not begun to run, it never will."""
        with self._lock:
            if self._queue.remove(job):
                self._refuse([Dropped(job, CANCELLED)])

    def _begin(self, jobs: Sequence[Job]) -> None:
        """A run takes its place, and its jobs theirs in the order of answers."""
        self._num_running += 1
        if self._policy.in_order:
            self._order.extend(jobs)

    def _refuse(self, dropped: Sequence[Dropped]) -> None:
        for job, reason in dropped:
            why = "CANCELED" if reason == CANCELLED else "REJECTED"
            self._statistics.add_failure(time.perf_counter_ns() - job.arrived_ns, why)
            job.answer.set_exception(UnavailableError(reason))

    def _end(self, job: Job, outcome: Callable[[], object]) -> None:
        """Let the outcome of a job that ran be known: at once, or after those of the jobs that began before it."""
        if not self._policy.in_order:
            outcome()
            return
        with self._lock:
            job.outcome = outcome
            while self._order and self._order[0].outcome is not None:
                self._order.popleft().outcome()  # type: ignore[misc]  # not None, as the line above says

    def _work(self) -> None:
        buffers: Arrays = {}
        while jobs := self._next_jobs():
            self._answer_and_rest(jobs, buffers)
            jobs.clear()  # while waiting for the next, nothing is held in memory

    def _answer_and_rest(self, jobs: Sequence[Job], buffers: Arrays) -> None:
        try:
            self._answer(jobs, buffers)
        finally:
            self._rest()

    def _rest(self) -> None:
        """One run has ended: the next may begin."""
        with self._lock:
            self._num_running -= 1
            if self._closed:
                self._changed.notify_all()  # workers that wait for more, and who closes
            elif self._queue:
                self._changed.notify()

    def _next_jobs(self) -> list[Job]:
        """The requests that run next; empty once all is over."""
        with self._lock:
            while True:
                while self._num_running >= self._instances or not (self._queue or self._closed):
                    self._changed.wait()
                if not self._queue:
                    return []
                batch, dropped = self._queue.batch(time.perf_counter_ns(), at_once=self._closed)
                self._refuse(dropped)
                if batch.jobs:
                    self._begin(batch.jobs)
                    return batch.jobs
                if batch.wait_ns:
                    self._changed.wait(batch.wait_ns / 1e9)

    def _answer(self, jobs: Sequence[Job], buffers: Arrays) -> None:
        started_ns = time.perf_counter_ns()
        try:
            feeds = jobs[0].feeds if len(jobs) == 1 else self._merged(jobs, buffers)
            merged_ns = time.perf_counter_ns()
            outputs = self._run(feeds)
            ran_ns = time.perf_counter_ns()
            lengths = [job.num_rows for job in jobs]
            answers = _split(outputs, lengths) if self._policy.has_batch else [dict(outputs)]
        except Exception as error:
            if len(jobs) > 1:
                half = len(jobs) // 2
                self._answer(jobs[:half], buffers)
                self._answer(jobs[half:], buffers)
                return
            self._statistics.add_failure(time.perf_counter_ns() - jobs[0].arrived_ns, "BACKEND")
            failed = ServerError("the model failed", got=str(error))
            self._end(jobs[0], functools.partial(jobs[0].answer.set_exception, failed))
            return
        self._fastest_ns = min(ran_ns - merged_ns, 1.1 * self._fastest_ns) or float(ran_ns - merged_ns)
        times = RunTimes(merged_ns - started_ns, ran_ns - merged_ns, time.perf_counter_ns() - ran_ns)
        num_rows = sum(job.num_rows for job in jobs)
        for job in jobs:
            if (timings := job.caller.timings) is not None:
                timings.queued_ns, timings.run_ns, timings.ran_ns = job.arrived_ns, started_ns, started_ns + times.total
        self._statistics.add_run(num_rows, [started_ns - job.arrived_ns for job in jobs], times)
        for job, answer in zip(jobs, answers, strict=True):
            self._end(job, functools.partial(job.answer.set_result, answer))

    def _merged(self, jobs: Sequence[Job], buffers: Arrays) -> Arrays:
        """The feeds of several requests one after the other, in buffers that every run of a worker uses again."""
        num_rows = sum(job.num_rows for job in jobs)
        merged = {}
        for name, first in jobs[0].feeds.items():
            parts = [job.feeds[name] for job in jobs]
            if self._policy.varies:
                merged[name] = np.concatenate(parts)
                continue
            buffer = buffers.get(name)
            if buffer is None:
                buffer = buffers[name] = np.empty((self._policy.max_rows, *first.shape[1:]), first.dtype)
            merged[name] = np.concatenate(parts, out=buffer[:num_rows])
        return merged


def _split(outputs: Mapping[str, AnyArray], lengths: Sequence[int]) -> list[Arrays]:
    """The rows of each request: views, in the order of the requests."""
    ends = list(itertools.accumulate(lengths))
    for name, array in outputs.items():
        if len(array) != ends[-1]:
            raise ServerError(f"output {name!r}", expected=f"{ends[-1]} rows", got=str(len(array)))
    if len(lengths) == 1:
        return [dict(outputs)]
    return [
        {name: array[end - length : end] for name, array in outputs.items()}
        for length, end in zip(lengths, ends, strict=True)
    ]
