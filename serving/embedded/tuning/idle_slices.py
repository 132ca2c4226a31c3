"""Slices of a measurement that run only while a server is idle; one that a request interrupts counts for nothing."""

from __future__ import annotations

from collections.abc import Callable

from serving.embedded.models.running import Activity
from serving.embedded.tuning.measuring import Layout, RunSlice

QUIET_S = 2.0
"""Without a request for so long a server is idle: clients that wait for each answer leave gaps, which are not meant."""
_GIVE_BACK_S = 10.0
"""Kept from measuring for so long, what it holds in memory is given back."""


class MeasuringOver(Exception):  # noqa: N818  # not an error: there is nothing to measure any more
    """The server stops, or the model is gone."""


class IdleSlices:
    """A `RunSlice` that waits for its server to be idle, and runs an interrupted slice again.

    Args:
        run: runs a slice; it should end it early once `is_wanted` says no.
        activity: of the server.
        wait: waits for so many seconds, and raises MeasuringOver where there is no more use in it.
        give_back: called when the server is busy for long.

    Attributes:
        spent_s: seconds of all slices that counted, without what it took to prepare them: the time of the measurement.
    """

    def __init__(
        self,
        run: RunSlice,
        *,
        activity: Callable[[], Activity],
        wait: Callable[[float], None],
        give_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._run, self._activity, self._wait, self._give_back = run, activity, wait, give_back
        self._begun = 0
        self.spent_s = 0.0

    def is_wanted(self) -> bool:
        """Whether no request has come since the slice began."""
        return self._activity().num_begun == self._begun

    def __call__(self, layout: Layout, batch_size: int, slice_s: float) -> tuple[float, float]:
        while True:
            self._wait_until_idle()
            measured = self._run(layout, batch_size, slice_s)
            if self.is_wanted():
                self.spent_s += max(slice_s, measured[1])
                return measured

    def _wait_until_idle(self) -> None:
        waited_s = 0.0
        self._wait(0.0)
        while (now := self._activity()).idle_s < QUIET_S:
            left_s = max(0.05, QUIET_S - now.idle_s)
            self._wait(left_s)
            if waited_s < _GIVE_BACK_S <= waited_s + left_s:
                self._give_back()
            waited_s += left_s
        self._begun = now.num_begun
