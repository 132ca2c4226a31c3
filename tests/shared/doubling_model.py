"""A model without a network behind a batcher: doubled numbers, held runs, and clients that go away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from serving.embedded.batching.batcher import Batcher
from serving.embedded.batching.policy import BatchingPolicy
from serving.embedded.batching.statistics import Statistics
from serving.embedded.requests.caller import PATIENT, Caller, Presence
from tests.shared.waiting import WAIT_S, eventually

POLICY = BatchingPolicy(max_requests=100, max_rows=8)


class Doubler:
    """Doubles `x` into `y`; keeps what it was given, waits while it is held, and fails on the number 13."""

    def __init__(self) -> None:
        self.runs: list[np.ndarray] = []
        self.last: np.ndarray | None = None
        self.go = threading.Event()
        self.go.set()

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.last = feeds["x"]
        self.runs.append(feeds["x"].copy())
        assert self.go.wait(WAIT_S)
        if 13 in feeds["x"]:
            raise ValueError("13 is unlucky")
        return {"y": feeds["x"] * 2}

    @property
    def sizes(self) -> list[int]:
        return [len(run) for run in self.runs]


@contextmanager
def batching(
    model: Doubler, policy: BatchingPolicy = POLICY, statistics: Statistics | None = None, *, instances: int = 1
) -> Iterator[Batcher]:
    batcher = Batcher(model, policy, statistics or Statistics(), instances=instances)
    try:
        yield batcher
    finally:
        model.go.set()
        batcher.close()


def rows(*values: int) -> dict[str, np.ndarray]:
    return {"x": np.array(values, np.int64)[:, None]}


@contextmanager
def queued(
    batcher: Batcher, model: Doubler, *requests: dict[str, np.ndarray], caller: Caller = PATIENT
) -> Iterator[list[Future[dict[str, np.ndarray]]]]:
    """Requests that wait, in order, behind a run of the number 0 that the end of the context lets go on."""
    model.go.clear()
    with ThreadPoolExecutor(len(requests) + 1) as pool:
        pool.submit(batcher.infer, rows(0), 1)
        eventually(lambda: model.sizes == [1], "the first run")
        futures = []
        for count, feeds in enumerate(requests, 1):
            futures.append(pool.submit(batcher.infer, feeds, len(feeds["x"]), caller=caller))
            eventually(lambda count=count: batcher.num_waiting == count, f"{count} waiting")
        try:
            yield futures
        finally:
            model.go.set()


class Client:
    """A client that goes away when it is told to."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self.is_there = True

    @property
    def caller(self) -> Caller:
        return Caller(Presence(lambda: self.is_there, self._calls.append))

    def leave(self) -> None:
        self.is_there = False
        for call in self._calls:
            call()
