"""The waiting queue: levels, preferred sizes, delays and time limits as Triton has them; no threads here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from artifact.errors import UnavailableError
from serving.embedded.batching.policy import BatchingPolicy, LevelPolicy
from serving.embedded.batching.queue import Job, WaitingQueue
from serving.embedded.requests.caller import CANCELLED, Caller, Presence
from serving.protocol import QUEUE_FULL, TIMED_OUT


class Waiting:
    """A queue whose jobs are called by their names."""

    def __init__(self, **rules: Any) -> None:
        self.queue = WaitingQueue(BatchingPolicy(**{"max_rows": 8} | rules))
        self.jobs: dict[str, Job] = {}
        self.gone: set[str] = set()

    def put(self, name: str, rows: int = 1, *, at: int = 0, shape: object = None, **asked: Any) -> None:
        caller = Caller(Presence(lambda: name not in self.gone), **asked)
        self.jobs[name] = job = Job({"x": np.zeros((rows, 3), np.uint8)}, rows, caller, at, shape)
        self.queue.put(job, at)

    def run(self, now: int = 0, *, at_once: bool = False) -> str:
        """Names of the jobs that run, then of those that were dropped; or how long to wait."""
        batch, dropped = self.queue.batch(now, at_once=at_once)
        text = f"wait {batch.wait_ns}" if batch.wait_ns else self._names(batch.jobs)
        return text + "".join(f" -{self._names([job])} {reason}" for job, reason in dropped)

    def all(self) -> list[str]:
        """Every run until nothing waits."""
        runs = []
        while self.queue:
            runs.append(self.run())
        return runs

    def _names(self, jobs: list[Job]) -> str:
        return "".join(name for job in jobs for name, each in self.jobs.items() if each is job)


@pytest.mark.parametrize(
    ("preferred", "rows", "runs"),
    [
        ((), (1, 1, 1), ["abc"]),
        ((), (5, 5, 3), ["a", "bc"]),
        ((), (8, 1, 8), ["a", "b", "c"]),
        ((2,), (1, 1, 1, 1, 1), ["ab", "cd", "e"]),
        ((2,), (1, 6, 1), ["a", "b", "c"]),
        ((2, 8), (1,) * 5, ["ab", "cd", "e"]),
        ((2, 8), (1,) * 8, ["abcdefgh"]),
        ((4,), (3, 3, 1), ["a", "bc"]),
        ((4,), (3, 2), ["a", "b"]),
        ((3, 5), (2, 2, 2), ["ab", "c"]),
    ],
)
def test_queue_makes_preferred_sizes(preferred: tuple[int, ...], rows: tuple[int, ...], runs: list[str]) -> None:
    """The last size that comes out exactly; else as many as fit in the largest; a larger request alone."""
    waiting = Waiting(preferred_rows=preferred)
    for name, count in zip("abcdefgh", rows, strict=False):
        waiting.put(name, count)
    assert waiting.all() == runs


def test_queue_without_merging_runs_each_alone() -> None:
    """One request a run, in order."""
    waiting = Waiting(merges=False)
    for name in "abc":
        waiting.put(name)
    assert waiting.all() == ["a", "b", "c"]


def test_queue_never_mixes_shapes() -> None:
    """A run ends where the shape changes; the order stays."""
    waiting = Waiting(varies=True)
    for name, shape in zip("abcd", (1, 1, 2, 1), strict=True):
        waiting.put(name, shape=shape)
    assert waiting.all() == ["ab", "c", "d"]


def test_queue_serves_levels_in_order() -> None:
    """1 before 2 before 3; those that name no level, or one that is not there, are of the default's."""
    waiting = Waiting(levels=3, default_level=2)
    for name, priority in zip("abcdef", (3, 0, 1, 9, 2, 1), strict=True):
        waiting.put(name, 3, priority=priority)
    assert waiting.all() == ["cf", "bd", "ea"]


def test_queue_without_levels_asks_no_priority() -> None:
    """Whatever requests say."""
    waiting = Waiting()
    for name, priority in zip("abc", (3, 0, 1), strict=True):
        waiting.put(name, priority=priority)
    assert waiting.all() == ["abc"]


def test_queue_waits_for_a_preferred_size_until_its_delay() -> None:
    """Then what is there runs; the oldest counts, and the largest size waits for nothing."""
    waiting = Waiting(preferred_rows=(4,), delay_ns=100)
    waiting.put("a", at=10)
    waiting.put("b", at=50)
    assert waiting.run(60) == "wait 50"
    assert waiting.run(109) == "wait 1"
    assert waiting.run(110) == "ab"
    for name in "cdefg":
        waiting.put(name, at=200)
    assert waiting.run(200) == "cdef"
    assert waiting.run(200) == "wait 100"
    assert waiting.run(200, at_once=True) == "g"


def test_queue_with_a_delay_runs_full_batches_at_once() -> None:
    """Without a preferred size that is `max_rows`."""
    waiting = Waiting(delay_ns=100)
    waiting.put("a", 5)
    waiting.put("b", 5)
    assert waiting.run() == "a"
    assert waiting.run() == "wait 100"
    waiting.put("c", 3)
    assert waiting.run() == "bc"


def test_queue_refuses_what_waited_too_long() -> None:
    """With the limit of its level; a request may shorten it where that is allowed, and never lengthens it."""
    rules = {1: LevelPolicy(timeout_us=1), 2: LevelPolicy(timeout_us=5, may_shorten=True)}
    waiting = Waiting(levels=3, default_level=3, own=rules)
    waiting.put("a", priority=1, timeout_us=9)
    waiting.put("b", priority=2, timeout_us=2)
    waiting.put("c", priority=2, timeout_us=9)
    waiting.put("d", priority=3, timeout_us=1)
    assert waiting.run(2_001) == f"cd -a {TIMED_OUT} -b {TIMED_OUT}"


def test_queue_delays_what_waited_too_long() -> None:
    """Behind those of its level whose time is not over, before the next level, and only once."""
    waiting = Waiting(levels=2, default_level=2, own={1: LevelPolicy(timeout_us=1, delays=True)}, merges=False)
    waiting.put("a", priority=1, at=0)
    waiting.put("b", priority=1, at=0)
    waiting.put("c", priority=1, at=900)
    waiting.put("d", priority=2, at=0)
    assert [waiting.run(1_001) for _ in range(4)] == ["c", "a", "b", "d"]


def test_queue_drops_what_nobody_waits_for() -> None:
    """Where it would have run; the next takes its place in the run."""
    waiting = Waiting(preferred_rows=(2,))
    for name in "abc":
        waiting.put(name)
    waiting.gone.add("a")
    assert waiting.run() == f"bc -a {CANCELLED}"
    assert not waiting.queue


@pytest.mark.parametrize(
    ("rules", "bound"),
    [
        ({"max_requests": 2}, ": 2 requests wait for this model (max_queue)"),
        ({"level": LevelPolicy(max_requests=2)}, ""),
        ({"levels": 2, "default_level": 1, "own": {1: LevelPolicy(max_requests=2)}}, ""),
        ({"max_bytes": 6}, ": what waits for this model would be over 6 bytes (max_running_bytes)"),
    ],
    ids=["of the server", "of the config", "of the level", "of bytes"],
)
def test_queue_is_bounded(rules: dict[str, Any], bound: str) -> None:
    """The third of two that may wait is refused, until one leaves; by number and by bytes, and is told which."""
    waiting = Waiting(**rules)
    waiting.put("a")
    waiting.put("b")
    with pytest.raises(UnavailableError) as refused:
        waiting.put("c")
    assert str(refused.value) == QUEUE_FULL + bound
    assert len(waiting.queue) == 2
    assert waiting.queue.remove(waiting.jobs["a"])
    assert not waiting.queue.remove(waiting.jobs["a"])
    waiting.put("c")
    assert waiting.all() == ["bc"]


def test_queue_takes_one_request_of_more_bytes() -> None:
    """Alone; beside it nothing."""
    waiting = Waiting(max_bytes=6)
    waiting.put("a", 8)
    with pytest.raises(UnavailableError):
        waiting.put("b")


def test_queue_sweeps_what_is_over() -> None:
    """Given up and timed out, wherever it stands; the rest stays in its order."""
    waiting = Waiting(level=LevelPolicy(timeout_us=2, may_shorten=True))
    for name in "abcd":
        waiting.put(name, timeout_us=1 if name == "c" else 0)
    waiting.gone.add("a")
    dropped = waiting.queue.sweep(1_500)
    assert [(job is waiting.jobs[name], reason) for (job, reason), name in zip(dropped, "ac", strict=True)] == [
        (True, CANCELLED),
        (True, TIMED_OUT),
    ]
    assert waiting.all() == ["bd"]
