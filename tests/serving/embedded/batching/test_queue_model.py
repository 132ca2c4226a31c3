"""The waiting queue against a plain list: whatever is asked of it, both give the same runs and the same refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from artifact.errors import UnavailableError
from serving.embedded.batching.policy import BatchingPolicy, LevelPolicy
from serving.embedded.batching.queue import CANCELLED, Dropped, Job, WaitingQueue
from serving.embedded.requests.caller import Caller, Presence
from serving.protocol import QUEUE_FULL, TIMED_OUT

MAX_ROWS = 6

level_policies = st.builds(
    LevelPolicy,
    max_requests=st.sampled_from([0, 0, 0, 3]),
    timeout_us=st.sampled_from([2, 2, 5, 0]),
    may_shorten=st.booleans(),
    delays=st.sampled_from([True, True, False]),
)


@st.composite
def policies(draw: st.DrawFn) -> BatchingPolicy:
    levels = draw(st.sampled_from([0, 0, 2, 3]))
    return BatchingPolicy(
        max_rows=MAX_ROWS,
        max_requests=draw(st.sampled_from([100, 100, 4])),
        max_bytes=draw(st.sampled_from([10_000, 10_000, 12])),
        merges=draw(st.sampled_from([True, True, True, False])),
        preferred_rows=draw(st.sampled_from([(2, 5), (), (2,), (3, 4), (1, 2, 6), (4,)])),
        delay_ns=draw(st.sampled_from([3_000, 0])),
        varies=True,
        levels=levels,
        default_level=draw(st.integers(1, levels)) if levels else 0,
        level=draw(level_policies),
        own={level: draw(level_policies) for level in draw(st.sets(st.integers(1, 3))) if level <= levels},
    )


@dataclass(eq=False)
class Entry:
    """A request in the list; `late` is how many had been moved behind others before it, once it was too."""

    job: Job
    level: int
    rows: int
    shape: int
    arrived: int
    expires: int | None
    late: int | None = None


class PlainList:
    """The rules of a queue in the plainest way: one list, sorted and filtered anew for every question."""

    def __init__(self, policy: BatchingPolicy) -> None:
        self.policy, self.entries, self.num_late = policy, list[Entry](), 0
        self.gone: set[Job] = set()

    def rules(self, level: int) -> LevelPolicy:
        return self.policy.own.get(level, self.policy.level)

    def put(self, job: Job, rows: int, shape: int, now: int) -> bool:
        policy, priority = self.policy, job.caller.priority
        level = 0 if policy.levels == 0 else priority if 1 <= priority <= policy.levels else policy.default_level
        rules = self.rules(level)
        waits = [each for each in self.entries if each.level == level]
        num_bytes = sum(each.rows for each in self.entries)
        if len(self.entries) >= policy.max_requests or (rules.max_requests and len(waits) >= rules.max_requests):
            return False
        if self.entries and num_bytes + rows > policy.max_bytes:
            return False
        limits = [rules.timeout_us] if rules.timeout_us else []
        if limits and rules.may_shorten and job.caller.timeout_us:
            limits.append(job.caller.timeout_us)
        self.entries.append(Entry(job, level, rows, shape, now, now + 1000 * min(limits) if limits else None))
        return True

    def in_order(self) -> list[Entry]:
        """By level; those in time by arrival, then those that are late by when they were moved."""
        return sorted(self.entries, key=lambda each: (each.level, each.late is not None, each.late or 0))

    def settle(self, entries: list[Entry], now: int) -> list[Dropped] | None:
        """What happens to those of which the queue takes notice; None where nothing does."""
        dropped, changed = [], False
        for each in entries:
            if each.job in self.gone:
                dropped.append(Dropped(each.job, CANCELLED))
            elif each.late is None and each.expires is not None and now > each.expires:
                if self.rules(each.level).delays:
                    self.num_late += 1
                    each.late = self.num_late
                    changed = True
                    continue
                dropped.append(Dropped(each.job, TIMED_OUT))
            else:
                continue
            changed = True
            self.entries.remove(each)
        return dropped if changed else None

    def run(self, now: int, *, at_once: bool) -> tuple[list[Job], int, list[Dropped]]:
        """Jobs that run, or how long to wait, and those that were dropped."""
        all_dropped: list[Dropped] = []
        while True:
            front = self.front()
            dropped = self.settle(front, now)
            if dropped is None:
                break
            all_dropped += dropped
        if not front:
            return [], 0, all_dropped
        policy, sums = self.policy, [sum(each.rows for each in front[: n + 1]) for n in range(len(front))]
        largest = max(policy.preferred_rows or (policy.max_rows,))
        exact = [n + 1 for n, total in enumerate(sums) if total in policy.preferred_rows]
        ordered = self.in_order()
        # where the next would pass the largest before any size came out exactly
        passed = [
            n + 1
            for n, total in enumerate(sums)
            if n + 1 < len(ordered) and total + ordered[n + 1].rows > largest and not any(e <= n + 1 for e in exact)
        ][:1]
        best = exact[-1] if exact else passed[0] if passed else 0
        waited = now - min(each.arrived for each in front)
        is_over = 0 < policy.delay_ns <= waited
        is_full = len(front) < len(ordered) or sums[-1] >= largest or not policy.merges
        if best and not is_over:
            front = front[:best]
        elif not is_full and not at_once and waited < policy.delay_ns:
            return [], policy.delay_ns - waited, all_dropped
        for each in front:
            self.entries.remove(each)
        return [each.job for each in front], 0, all_dropped

    def front(self) -> list[Entry]:
        """The longest run that may be."""
        taken: list[Entry] = []
        for each in self.in_order():
            is_too_large = sum(one.rows for one in taken) + each.rows > self.policy.max_rows
            if taken and (not self.policy.merges or is_too_large or each.shape != taken[0].shape):
                break
            taken.append(each)
        return taken


class QueueAndList(RuleBasedStateMachine):
    """Both are asked the same."""

    @initialize(policy=policies())
    def begin(self, policy: BatchingPolicy) -> None:
        self.queue, self.plain, self.now = WaitingQueue(policy), PlainList(policy), 1000
        self.jobs: list[Job] = []
        self.over: list[Job] = []

    @rule(
        rows=st.sampled_from([1, 2, 1, 2, 3, MAX_ROWS]),
        shape=st.sampled_from([1, 1, 1, 1, 1, 2]),
        priority=st.integers(0, 4),
        timeout_us=st.sampled_from([0, 1, 3, 9]),
    )
    def put(self, rows: int, shape: int, priority: int, timeout_us: int) -> None:
        caller = Caller(Presence(lambda: job not in self.plain.gone), priority, timeout_us)
        job = Job({"x": np.zeros((rows, 1), np.uint8)}, rows, caller, self.now, shape)
        if self.plain.put(job, rows, shape, self.now):
            self.queue.put(job, self.now)
            self.jobs.append(job)
        else:
            with pytest.raises(UnavailableError, match=QUEUE_FULL):
                self.queue.put(job, self.now)

    @rule(us=st.integers(1, 4))
    def later(self, us: int) -> None:
        self.now += 1000 * us

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """A client is gone; the queue has not been told."""
        self.plain.gone.add(data.draw(st.sampled_from(self.jobs)))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """A client is gone, and the queue is told; the job may have been run or refused before."""
        job = data.draw(st.sampled_from(self.jobs))
        waits = [each for each in self.plain.entries if each.job is job]
        assert self.queue.remove(job) is bool(waits)
        for each in waits:
            self.plain.entries.remove(each)
            self.over.append(job)

    @rule()
    def sweep(self) -> None:
        expected = self.plain.settle(self.plain.in_order(), self.now)
        assert self.queue.sweep(self.now) == (expected or [])
        self.over += [job for job, _ in expected or []]

    @rule(at_once=st.booleans())
    def run(self, at_once: bool) -> None:
        batch, dropped = self.queue.batch(self.now, at_once=at_once)
        assert (batch.jobs, batch.wait_ns, dropped) == self.plain.run(self.now, at_once=at_once)
        self.over += [*batch.jobs, *(job for job, _ in dropped)]

    @invariant()
    def same_order(self) -> None:
        if hasattr(self, "queue"):
            assert list(self.queue) == [each.job for each in self.plain.in_order()]
            assert len(self.queue) == len(self.plain.entries)
            assert len(self.over) == len(set(self.over)), "each is over once"

    def teardown(self) -> None:
        """Everything that waits can be had."""
        if not hasattr(self, "queue"):
            return
        while self.queue:
            self.now += 1000
            self.run(at_once=True)
        assert set(self.over) == set(self.jobs)


QueueAndList.TestCase.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, derandomize=True, database=None
)
TestQueueAndList: Any = QueueAndList.TestCase
