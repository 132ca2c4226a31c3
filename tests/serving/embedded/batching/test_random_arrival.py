"""A batcher under random arrival: every request ends exactly once, with its own rows or with a reason that is true."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.errors import ServerError, UnavailableError
from serving.embedded.batching.batcher import Batcher
from serving.embedded.batching.policy import BatchingPolicy, LevelPolicy
from serving.embedded.batching.queue import CANCELLED
from serving.embedded.batching.statistics import Statistics
from serving.embedded.requests.caller import Caller
from serving.protocol import QUEUE_FULL, STOPPING, TIMED_OUT
from tests.shared.doubling_model import Client
from tests.shared.waiting import WAIT_S

MAX_ROWS = 6


@dataclass(frozen=True)
class Asked:
    """One request: what it asks, the pause after it, whether its client leaves, and whether it is poison."""

    rows: int
    width: int
    priority: int
    timeout_us: int
    pause_us: int
    leaves: bool
    is_poison: bool


class Model:
    """Doubles; fails on a run with poison in it. Row i of request n is the number 100 n + i; poison is negative."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = self.most_running = 0
        self.runs: list[np.ndarray] = []
        self.answered: Counter[int] = Counter()

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows = feeds["x"].copy()
        with self.lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            self.runs.append(rows)
        time.sleep(0.0003)
        with self.lock:
            self.running -= 1
            if (rows < 0).any():
                raise ValueError("poison")
            self.answered.update(rows[:, 0].tolist())
        return {"y": rows * 2}


requests = st.lists(
    st.builds(
        Asked,
        rows=st.sampled_from([1, 1, 2, 3, MAX_ROWS]),
        width=st.sampled_from([1, 1, 1, 2]),
        priority=st.integers(0, 3),
        timeout_us=st.sampled_from([0, 0, 300]),
        pause_us=st.sampled_from([0, 0, 0, 400]),
        leaves=st.sampled_from([False, False, False, True]),
        is_poison=st.sampled_from([False] * 7 + [True]),
    ),
    min_size=1,
    max_size=24,
)
policies = st.builds(
    BatchingPolicy,
    max_rows=st.just(MAX_ROWS),
    max_requests=st.sampled_from([100, 3]),
    merges=st.sampled_from([True, True, False]),
    preferred_rows=st.sampled_from([(), (4,), (2, 5)]),
    delay_ns=st.sampled_from([0, 200_000]),
    in_order=st.booleans(),
    varies=st.just(True),
    levels=st.sampled_from([0, 3]),
    default_level=st.just(2),
    level=st.builds(
        LevelPolicy,
        max_requests=st.sampled_from([0, 0, 2]),
        timeout_us=st.sampled_from([0, 900]),
        may_shorten=st.booleans(),
        delays=st.booleans(),
    ),
)


def numbers(index: int, asked: Asked) -> np.ndarray:
    """int64 [rows, width] that no other request has."""
    values = 100 * index + 1 + np.arange(asked.rows, dtype=np.int64)
    return np.repeat(values[:, None] * (-1 if asked.is_poison else 1), asked.width, axis=1)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(asked=requests, policy=policies, instances=st.integers(1, 3), closes=st.sampled_from([None, True, False]))
def test_batcher_is_exact_under_random_arrival(
    asked: list[Asked], policy: BatchingPolicy, instances: int, closes: bool | None
) -> None:
    """Whatever sizes, shapes, priorities, time limits, failures and departures there are, and while it closes."""
    model, statistics = Model(), Statistics()
    batcher = Batcher(model, policy, statistics, instances=instances)
    clients = [Client() for _ in asked]

    def infer(index: int) -> Any:
        one = asked[index]
        caller = Caller(clients[index].caller.presence, one.priority, one.timeout_us)
        try:
            return batcher.infer({"x": numbers(index, one)}, one.rows, caller=caller)
        except (UnavailableError, ServerError) as error:
            return error

    with ThreadPoolExecutor(len(asked) + 1) as pool:
        futures = []
        for index, one in enumerate(asked):
            futures.append(pool.submit(infer, index))
            time.sleep(one.pause_us / 1e6)
            for client, earlier in zip(clients[:index], asked[:index], strict=True):
                if earlier.leaves and client.is_there:
                    client.leave()
        if closes is not None:
            batcher.close(drain=closes)
        ends = [future.result(WAIT_S) for future in futures]
        batcher.close()

    for index, (one, end) in enumerate(zip(asked, ends, strict=True)):
        times = {model.answered[value] for value in numbers(index, one)[:, 0].tolist()}
        if isinstance(end, dict):
            assert end["y"].tolist() == (2 * numbers(index, one)).tolist()
            assert times == {1}
            assert not one.is_poison
        elif not isinstance(end, UnavailableError):
            assert str(end) == "the model failed: got poison"
            assert one.is_poison
        else:
            assert times == {0}
            assert may_be_refused(str(end), one, policy, closes)
    for run in model.runs:
        in_run = {abs(value) // 100 for value in run[:, 0].tolist()}
        assert len(run) <= MAX_ROWS
        assert len(in_run) == 1 or ((policy.merges and len(run) <= policy.largest_preferred) or policy.delay_ns)
        assert len({asked[index].width for index in in_run}) == 1
        assert sum(asked[index].rows for index in in_run) == len(run), "no request is split"
    assert model.most_running <= instances
    answered = sum(isinstance(end, dict) for end in ends)
    assert (statistics.success.count, statistics.inference_count) == (
        answered,
        sum(one.rows for one, end in zip(asked, ends, strict=True) if isinstance(end, dict)),
    )
    assert batcher.num_waiting == batcher._num_running == len(batcher._order) == 0


def may_be_refused(text: str, one: Asked, policy: BatchingPolicy, closes: bool | None) -> bool:
    """Whether a reason can be true of a request."""
    return {
        QUEUE_FULL: policy.max_requests < 100 or policy.level.max_requests > 0,
        TIMED_OUT: policy.level.timeout_us > 0 and not policy.level.delays,
        CANCELLED: one.leaves,
        STOPPING: closes is not None,
    }[text.partition(":")[0]]
