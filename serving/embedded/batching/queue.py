"""The requests that wait for a model: by priority and arrival, and which of them run next.

Not safe to use from several threads: the batcher holds its lock. Every method takes the time, so that what happens is a
function of what was asked.

The rules, which are Triton's (2.51's scheduler, read in its source):
- Levels are served in their order, and the requests of a level in the order of their arrival.
- A run takes requests from the front, whole, until the next would make it larger than `max_rows`, or differs in shape.
  It ends where the largest preferred size would be passed, or at the last preferred size that came out exactly.
- With a delay, a run that is of no preferred size waits for more, until its oldest request has waited so long.
- A request whose time is over is refused, or waits behind those of its level whose time is not (DELAY).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from artifact.arrays import AnyArray
from artifact.errors import UnavailableError
from serving.embedded.batching.pending import Pending
from serving.embedded.batching.policy import BatchingPolicy
from serving.embedded.batching.room import queue_full
from serving.embedded.requests.caller import CANCELLED, Caller
from serving.protocol import QUEUE_FULL, TIMED_OUT

Arrays = dict[str, AnyArray]


@dataclass(eq=False)
class Job:
    """One request that waits or runs, and its answer.

    Attributes:
        feeds: {input: [N, ...]}.
        num_rows: N.
        caller: who waits.
        arrived_ns: when it came.
        shape: equal for those that may run together.
        level, expires_ns, num_bytes: set when it begins to wait; 0 never expires.
        outcome: how it ended, once it has.
    """

    feeds: Mapping[str, AnyArray]
    num_rows: int
    caller: Caller
    arrived_ns: int
    shape: object = None
    answer: Pending[Arrays] = field(default_factory=Pending)
    level: int = 0
    expires_ns: int = 0
    num_bytes: int = 0
    outcome: Callable[[], object] | None = None


class Dropped(NamedTuple):
    """A job that will not run, and why."""

    job: Job
    reason: str


class Batch(NamedTuple):
    """Jobs that run together; without any, how long to wait for more, or 0 for none that waits."""

    jobs: list[Job]
    wait_ns: int = 0


@dataclass
class _Lane:
    """The jobs of one level: in time, and those whose time is over, which wait behind them."""

    waiting: deque[Job] = field(default_factory=deque)
    delayed: deque[Job] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.waiting) + len(self.delayed)


class WaitingQueue:
    """The queue of one model version.

    Attributes:
        policy: its rules.
    """

    def __init__(self, policy: BatchingPolicy) -> None:
        self.policy = policy
        self._lanes: dict[int, _Lane] = {}
        self._num_bytes = 0

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __bool__(self) -> bool:
        return bool(self._lanes)  # none of which is empty

    def __iter__(self) -> Iterator[Job]:
        """In the order in which they would run."""
        for level in sorted(self._lanes):
            yield from self._lanes[level].waiting
            yield from self._lanes[level].delayed

    def put(self, job: Job, now_ns: int) -> None:
        """Let a job wait; raises UnavailableError where a bound is reached."""
        policy = self.policy
        level = policy.level_of(job.caller.priority)
        rules, lane = policy.rules_of(level), self._lanes.get(level) or _Lane()
        num_bytes = sum(map(_num_bytes, job.feeds.values()))
        if rules.max_requests and len(lane) >= rules.max_requests:
            raise UnavailableError(QUEUE_FULL)
        if len(self) >= policy.max_requests:
            raise queue_full(f"{policy.max_requests} requests wait for this model (max_queue)")
        if self._num_bytes and self._num_bytes + num_bytes > policy.max_bytes:
            most = policy.max_bytes
            raise queue_full(f"what waits for this model would be over {most} bytes (max_running_bytes)")
        timeout_ns = rules.timeout_ns(job.caller.timeout_us)
        job.level, job.num_bytes, job.expires_ns = level, num_bytes, now_ns + timeout_ns if timeout_ns else 0
        self._lanes[level] = lane
        self._num_bytes += num_bytes
        lane.waiting.append(job)

    def remove(self, job: Job) -> bool:
        """Take a job out, whatever its place; False if it does not wait."""
        lane = self._lanes.get(job.level) or _Lane()
        for jobs in (lane.waiting, lane.delayed):
            if job in jobs:
                jobs.remove(job)
                self._forget(job)
                return True
        return False

    def overdue(self, job: Job, now_ns: int) -> tuple[Dropped | None, bool]:
        """What becomes of a job whose time is over, if it waits: it is refused, or now waits behind those of its level.

        Returns:
            Why it was taken out, if it was; and whether anything has changed.
        """
        lane = self._lanes.get(job.level)
        if not 0 < job.expires_ns < now_ns or lane is None or job not in lane.waiting:
            return None, False
        if not self.policy.rules_of(job.level).delays:
            self.remove(job)
            return Dropped(job, TIMED_OUT), True
        job.expires_ns = 0
        lane.waiting.remove(job)
        lane.delayed.append(job)
        return None, True

    def sweep(self, now_ns: int) -> list[Dropped]:
        """Take out every job that nobody waits for, or whose time is over."""
        return self._settle(list(self), now_ns)[0]

    def drain(self) -> list[Job]:
        """Take out every job."""
        jobs = list(self)
        self._lanes.clear()
        self._num_bytes = 0
        return jobs

    def batch(self, now_ns: int, *, at_once: bool = False) -> tuple[Batch, list[Dropped]]:
        """Take out the jobs that run next; and those that were found not to run any more.

        Args:
            at_once: do not wait for more, whatever the delay.
        """
        dropped: list[Dropped] = []
        changed = True
        while changed:  # what is dropped, or moved behind others, changes what runs
            picked, best, is_whole = self._pick()
            more, changed = self._settle(picked, now_ns)
            dropped += more
        if not picked:
            return Batch([]), dropped
        delay_ns, waited_ns = self.policy.delay_ns, now_ns - min(job.arrived_ns for job in picked)
        if best and not 0 < delay_ns <= waited_ns:
            picked = picked[:best]
        elif not (is_whole or at_once) and waited_ns < delay_ns:
            return Batch([], delay_ns - waited_ns), dropped
        for job in picked:
            self.remove(job)
        return Batch(picked), dropped

    def _pick(self) -> tuple[list[Job], int, bool]:
        """The longest run from the front; how many of it make the best preferred size; whether it cannot grow."""
        policy = self.policy
        picked: list[Job] = []
        rows = best = 0
        for job in self:
            more = rows + job.num_rows
            if picked:
                if more > policy.largest_preferred:
                    best = best or len(picked)
                    if not policy.delay_ns:  # what comes behind is not asked for
                        return picked, best, True
                if not policy.merges or more > policy.max_rows or job.shape != picked[0].shape:
                    return picked, best, True
            picked.append(job)
            rows = more
            if rows in policy.preferred_rows:
                best = len(picked)
        return picked, best, rows >= policy.largest_preferred or not policy.merges

    def _settle(self, jobs: list[Job], now_ns: int) -> tuple[list[Dropped], bool]:
        """Take out those of the jobs that nobody waits for or that are overdue; and whether anything has changed."""
        dropped, changed = [], False
        for job in jobs:
            if not job.caller.presence.is_active():
                found: Dropped | None = Dropped(job, CANCELLED)
                moved = self.remove(job)
            else:
                found, moved = self.overdue(job, now_ns)
            changed = changed or moved
            if moved and found is not None:
                dropped.append(found)
        return dropped, changed

    def _forget(self, job: Job) -> None:
        self._num_bytes -= job.num_bytes
        if not self._lanes[job.level]:
            del self._lanes[job.level]


def _num_bytes(array: AnyArray) -> int:
    return sum(map(len, array.flat)) if array.dtype == object else int(array.nbytes)
