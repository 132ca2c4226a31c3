"""An embedded server held still: runs wait until they are released, and requests gather in its queue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from serving.embedded.requests.caller import PATIENT
from serving.embedded.server import Server
from tests.shared.waiting import WAIT_S, eventually


def num_waiting(server: Server, name: str = "tiny") -> int:
    """Requests in one network's queue."""
    return server._store.find(name)._batcher.num_waiting  # type: ignore[attr-defined]


class Held:
    """A served network whose runs wait for `release`; then the real run goes on. `num_rows` lists the runs begun."""

    def __init__(self, server: Server, name: str = "tiny") -> None:
        network = server._store.find(name)
        self.batcher = network._batcher  # type: ignore[attr-defined]
        self.num_rows: list[int] = []
        self._released = threading.Event()
        self._run, self.batcher._run = self.batcher._run, self._wait_and_run

    def _wait_and_run(self, feeds: Mapping[str, np.ndarray]) -> Any:
        self.num_rows.append(len(next(iter(feeds.values()))))
        assert self._released.wait(WAIT_S)
        return self._run(feeds)

    def release(self) -> None:
        self._released.set()


@contextmanager
def together(server: Server, *calls: Callable[[], Any], name: str = "tiny") -> Iterator[list[Future[Any]]]:
    """Make calls that all wait in one network's queue behind another request; they go on when the context ends."""
    held = Held(server, name)
    network = server._store.find(name)
    first = {spec.name: np.zeros((1, *spec.dims), np.uint8) for spec in network.signature.inputs}
    with ThreadPoolExecutor(len(calls) + 1) as pool:
        try:
            pool.submit(network.infer, first, 1, caller=PATIENT)
            eventually(lambda: held.num_rows == [1], "the first run")
            futures = [pool.submit(call) for call in calls]
            yield futures
        finally:
            held.release()
