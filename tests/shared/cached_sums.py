"""Rows of small numbers through a cache, computed by a run that can be counted, held, and made to fail."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Mapping, Sequence

import numpy as np

from artifact.errors import UnavailableError
from artifact.images.image_batch import BadImagesError
from serving.embedded.cache.cache import Lookup, RowCache
from serving.embedded.requests.caller import CANCELLED, PATIENT, Caller
from tests.shared.waiting import WAIT_S

UNLUCKY, UNREADABLE = 13, 99
"""A row with the first breaks any run; one with the second is a bad image of stream `x`."""


class Sums:
    """Gives of rows `x` int64 [N, 1] their double and their square, through a cache.

    Args:
        max_bytes: of the cache.
        facts: what the rows depend on besides.
        factor: that changes the numbers, as another artifact would.
        cache: to share.

    Attributes:
        runs: the rows of every run, in the order in which they began.
        go: cleared, it holds all runs, but for those that nobody waits for any more.
    """

    def __init__(
        self, max_bytes: int = 10**6, facts: str = "", *, factor: int = 1, cache: RowCache | None = None
    ) -> None:
        self.cache = cache or RowCache(max_bytes)
        self._rows = self.cache.rows_of({"digest": facts}, {"double": 1, "square": 1})
        self._factor = factor
        self.runs: list[list[int]] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(
        self, values: Sequence[int], caller: Caller = PATIENT, lookup: Lookup | None = None
    ) -> dict[str, list[float]]:
        """{output: its number for each row} of a request with these rows."""
        inputs = {"x": np.array(values, np.int64)[:, None]}
        run = functools.partial(self._run, caller)
        answer = self._rows.answer(inputs, len(values), run, caller=caller, lookup=lookup or Lookup())
        return {name: array.ravel().tolist() for name, array in answer.items()}

    def plain(self, values: Sequence[int]) -> dict[str, list[float]]:
        """The same without a cache."""
        return {
            "double": [2.0 * self._factor * value for value in values],
            "square": [float(self._factor * value * value) for value in values],
        }

    @property
    def num_waiting(self) -> int:
        """Rows that requests wait for while others compute them."""
        return sum(len(flight._waiting) for flight in list(self.cache._flights.values()))

    def _run(self, caller: Caller, inputs: Mapping[str, np.ndarray], num_rows: int) -> dict[str, np.ndarray]:
        values = inputs["x"][:, 0]
        assert len(values) == num_rows
        self.runs.append(values.tolist())
        deadline = time.monotonic() + WAIT_S
        while not self.go.wait(0.001):  # as a queue does
            assert time.monotonic() < deadline, "held for ever"
            if not caller.presence.is_active():
                raise UnavailableError(CANCELLED)
        bad = [(row, "x", "no image") for row, value in enumerate(values) if value == UNREADABLE]
        if bad:
            raise BadImagesError(bad, num_rows)
        if UNLUCKY in values:
            raise ValueError(f"{UNLUCKY} is unlucky")
        return {name: np.array(each, np.float32)[:, None] for name, each in self.plain(values.tolist()).items()}
