"""Slices of a measurement on a fake server: they wait for it to be idle, and give way to a request."""

from __future__ import annotations

import pytest

from serving.embedded.models.running import Activity
from serving.embedded.tuning.idle_slices import QUIET_S, IdleSlices, MeasuringOver
from serving.embedded.tuning.measuring import BATCH_SIZES, Layout, measure

ONE, TWO = Layout(1, 2), Layout(2, 1)


class FakeServer:
    """A server whose requests come at known times and last no time; waiting and slices move its clock."""

    def __init__(self, *requests_s: float, ends_s: float = 1e9, idle_s: float = 60.0) -> None:
        self.requests_s, self.ends_s, self.now_s = sorted(requests_s), ends_s, 0.0
        self._before_s = -idle_s
        self.slices: list[tuple[float, float]] = []
        self.given_back = 0

    def activity(self) -> Activity:
        past = [each for each in self.requests_s if each <= self.now_s]
        return Activity(len(past), self.now_s - (past[-1] if past else self._before_s))

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        if self.now_s >= self.ends_s:
            raise MeasuringOver

    def give_back(self) -> None:
        self.given_back += 1

    def run(self, layout: Layout, batch_size: int, slice_s: float) -> tuple[float, float]:
        """Runs of a sixteenth of a second a row, until the slice is over or not wanted."""
        start_s, run_s, runs = self.now_s, batch_size / 16, 0
        while True:
            self.now_s += run_s
            runs += 1
            if self.now_s - start_s >= slice_s or not self.of.is_wanted():
                self.slices.append((start_s, self.now_s))
                return layout.instances * batch_size * runs / (self.now_s - start_s), run_s

    def idle_slices(self) -> IdleSlices:
        self.of = IdleSlices(self.run, activity=self.activity, wait=self.wait, give_back=self.give_back)
        return self.of


def test_slices_run_at_once_on_an_idle_server() -> None:
    """Their time is that of the measurement."""
    server = FakeServer()
    slices = server.idle_slices()
    assert slices(ONE, 1, 0.25) == (16, 0.0625)
    assert slices(TWO, 8, 0.25) == (32, 0.5)
    assert server.slices == [(0, 0.25), (0.25, 0.75)]
    assert slices.spent_s == 0.75


def test_slices_wait_until_the_server_is_idle() -> None:
    """Two seconds after the last request; one every second means for ever."""
    server = FakeServer(idle_s=0.5)
    server.idle_slices()(ONE, 1, 0.2)
    assert server.slices[0][0] == pytest.approx(QUIET_S - 0.5)
    busy = FakeServer(*range(1000), ends_s=900)
    with pytest.raises(MeasuringOver):
        busy.idle_slices()(ONE, 1, 0.2)
    assert not busy.slices


def test_slices_end_with_the_run_that_a_request_finds() -> None:
    """What was interrupted does not count, and is run again once the server is idle."""
    asked_s = 3 / 32
    server = FakeServer(asked_s)
    slices = server.idle_slices()
    assert slices(ONE, 1, 1.0)[0] == 16
    assert server.slices == [(0, 4 / 32), (asked_s + QUIET_S, asked_s + QUIET_S + 1)]
    assert slices.spent_s == 1


def test_slices_give_memory_back_while_the_server_is_busy() -> None:
    """Once, after ten seconds."""
    server = FakeServer(*(each / 2 for each in range(100)))
    server.idle_slices()(ONE, 1, 0.2)
    assert server.given_back == 1
    short = FakeServer(0, 1, 2, 3)
    short.idle_slices()(ONE, 1, 0.2)
    assert short.given_back == 0


def test_slices_end_where_nobody_wants_them() -> None:
    """Before anything runs."""
    server = FakeServer(ends_s=0)
    with pytest.raises(MeasuringOver):
        server.idle_slices()(ONE, 1, 0.2)
    assert not server.slices


def test_measurement_is_the_same_on_a_server_with_requests() -> None:
    """A request every three seconds makes it longer, and changes no figure."""

    def measured_on(server: FakeServer) -> list[tuple[int, int, float]]:
        slices = server.idle_slices()
        cells = measure([ONE, TWO], slices, seconds=20, batch_sizes=BATCH_SIZES, clock=lambda: slices.spent_s)
        return [(cell.instances, cell.batch_size, round(cell.rows_per_s)) for cell in cells]

    quiet, asked = FakeServer(), FakeServer(*range(0, 3000, 3))
    assert measured_on(quiet) == measured_on(asked)
    assert asked.now_s > 2 * quiet.now_s
    for start_s, end_s in asked.slices:
        later = [each for each in asked.requests_s if start_s < each < end_s]
        assert not later or end_s - later[0] <= 0.4, "at most one run longer"


def test_measurement_keeps_to_the_rows_it_may_hold() -> None:
    """Of all instances together; so memory is bounded whatever the cores."""
    server = FakeServer()
    slices = server.idle_slices()
    layouts = [Layout(1, 8), Layout(8, 1)]
    cells = measure(layouts, slices, seconds=1000, max_rows=32, max_slice_s=10, clock=lambda: slices.spent_s)
    assert [(cell.instances, cell.batch_size) for cell in cells] == [
        *((1, size) for size in (1, 2, 4, 8, 16, 32)),
        *((8, size) for size in (1, 2, 4)),
    ]
