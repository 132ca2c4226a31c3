"""The measurement of a model: what is measured and for how long, and what is chosen by it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from serving.embedded.tuning.measuring import BATCH_SIZES, Layout, Measured, choose, is_noisy, layouts, measure
from serving.embedded.tuning.tune import tune
from tests.shared.tuned_models import (
    cells,
    config_of,
    settings,
)


class Machine:
    """A machine of known speed: rates of (instances, batch size) in rows a second, and a clock that runs advance."""

    def __init__(self, rate: Callable[[int, int], float], *, noise: float = 0.0) -> None:
        self.rate, self.noise, self.now_s = rate, noise, 0.0
        self.ran: list[tuple[int, int]] = []
        self._draw = random.Random(0)

    def __call__(self, layout: Layout, batch_size: int, slice_s: float) -> tuple[float, float]:
        run_s = batch_size * layout.instances / self.rate(layout.instances, batch_size)
        slowed = 1 + self.noise * self._draw.random()
        self.now_s += max(slice_s, run_s * slowed)
        self.ran.append((layout.instances, batch_size))
        return self.rate(layout.instances, batch_size) / slowed, run_s * slowed

    def clock(self) -> float:
        return self.now_s


TWO = [Layout(1, 2), Layout(2, 1)]


def test_layouts_share_the_cores_out() -> None:
    """One session of all cores, one a core, and the powers of two between; copies of a large network are bounded."""
    assert layouts(1) == [Layout(1, 1)]
    assert layouts(2) == [Layout(1, 2), Layout(2, 1)]
    assert layouts(12) == [Layout(1, 12), Layout(2, 6), Layout(4, 3), Layout(8, 1), Layout(12, 1)]
    assert layouts(16, weights_bytes=500 * 2**20) == [Layout(1, 16), Layout(2, 8), Layout(4, 4)]
    assert layouts(4, weights_bytes=10 * 2**30) == [Layout(1, 4)]


def test_measuring_is_interleaved_and_ends_in_time() -> None:
    """Every cell gets a slice before any gets the next, and all is over when it should be."""
    machine = Machine(lambda count, size: 1000.0 * size / (1 + size / 8))
    measured = measure(TWO, machine, seconds=20, clock=machine.clock)
    assert [(cell.instances, cell.batch_size) for cell in measured] == [
        (count, size) for count in (1, 2) for size in BATCH_SIZES
    ]
    assert 20 <= machine.now_s < 21
    assert {cell.slices for cell in measured} <= {4, 5}, "about five rounds, none a round ahead"
    sliced = machine.ran[2 * len(measured) :]
    for start in range(0, len(sliced) - len(measured), len(measured)):
        assert len(set(sliced[start : start + len(measured)])) == len(measured)


def test_measuring_leaves_out_what_is_too_slow_for_the_time() -> None:
    """A network of 4 rows a second: large batches are not tried, one row is, and the time is still kept."""
    machine = Machine(lambda count, size: 4.0)
    measured = measure(TWO, machine, seconds=20, clock=machine.clock)
    assert (1, 1) in [(cell.instances, cell.batch_size) for cell in measured]
    assert max(size for _, size in machine.ran) <= 2
    assert machine.now_s < 22
    slow = Machine(lambda count, size: 0.01)
    assert [cell.batch_size for cell in measure(TWO, slow, seconds=1, clock=slow.clock)] == [1]
    assert slow.ran == [(1, 1)], "100 seconds are enough"


def test_measuring_takes_the_median() -> None:
    """Another program that takes the machine away for one slice does not change the figure of that cell."""
    machine = Machine(lambda count, size: 100.0 * count)
    hit: list[int] = []

    def run_slice(layout: Layout, batch_size: int, slice_s: float) -> tuple[float, float]:
        rate, run_s = machine(layout, batch_size, slice_s)
        if slice_s and (layout.instances, batch_size) == (2, 4) and not hit:
            hit.append(1)
            return rate / 50, run_s
        return rate, run_s

    measured = measure(TWO, run_slice, seconds=30, batch_sizes=(1, 4), clock=machine.clock)
    assert hit
    assert {(cell.instances, cell.rows_per_s) for cell in measured} == {(1, 100.0), (2, 200.0)}
    assert [cell.spread > 0.9 for cell in measured] == [False, False, False, True]


def test_noise_is_noticed() -> None:
    """A machine whose slices differ by five percent is quiet, one where they differ by half is not."""
    for noise_, noisy in ((0.05, False), (1.0, True)):
        machine = Machine(lambda count, size: 1000.0, noise=noise_)
        assert is_noisy(measure(TWO, machine, seconds=20, clock=machine.clock)) is noisy


def test_choice_is_the_small_batch_where_large_ones_are_slower() -> None:
    """MobileNetV3-small at 224 px: 8 rows at a time are faster than 32."""
    rates = {1: 424, 2: 640, 4: 880, 8: 1016, 16: 960, 32: 824, 64: 790}
    assert choose(cells({(1, size): rate for size, rate in rates.items()})).batch_size == 8


def test_choice_takes_the_smallest_of_equals() -> None:
    """On a plateau, as noisy as machines are, what waits for a larger batch would wait for nothing."""
    rates = {1: 50, 2: 90, 4: 98.5, 8: 100, 16: 101, 32: 101.2, 64: 100.9}
    assert choose(cells({(1, size): rate for size, rate in rates.items()})).batch_size == 4


def test_choice_takes_more_instances_where_a_server_is_faster() -> None:
    """Runs of several threads lose a twentieth beside a server's own: as fast is faster there, slower is not."""
    one = {(1, 1): 50.0, (1, 8): 100.0}
    assert choose(cells(one | {(2, 1): 90.0, (2, 8): 96.0})) == Measured(1, 2, 8, 100.0, 5)
    assert choose(cells(one | {(2, 1): 70.0, (2, 8): 100.0})) == Measured(2, 1, 8, 100.0, 5)
    assert choose(cells(one | {(2, 1): 129.0, (2, 8): 130.0})) == Measured(2, 1, 1, 129.0, 5)


def test_choice_counts_what_a_run_costs_the_server() -> None:
    """Runs of one row are as fast as those of eight by themselves, not in a server; of a slow network there too."""
    assert choose(cells({(1, 1): 1000.0, (1, 8): 1000.0})).batch_size == 8
    assert choose(cells({(1, 1): 50.0, (1, 8): 50.0})).batch_size == 1


def test_choice_of_a_noisy_machine_is_nearly_its_best() -> None:
    """Whatever the noise draws, what is chosen loses at most what the rules allow."""

    def rate(count: int, size: int) -> float:
        return 900.0 * count**0.1 * size / (2 + size) - 3 * size

    machine = Machine(rate, noise=0.05)
    chosen = choose(measure(TWO, machine, seconds=20, clock=machine.clock))
    best = max(rate(count, size) for count in (1, 2) for size in BATCH_SIZES)
    assert rate(chosen.instances, chosen.batch_size) > 0.8 * best


def test_real_sessions_are_measured(root: Path) -> None:
    """One second on this machine: every figure is a rate, and one of them was chosen and written."""
    tuned = tune(root, "tiny", seconds=1)
    measured = tuned.record["measured"]
    assert all(cell["rows_per_s"] > 0 for cell in measured)
    chosen = (tuned.instances, tuned.threads, tuned.preferred_rows)
    assert chosen in [(cell["instances"], cell["threads"], cell["batch_size"]) for cell in measured]
    assert settings(config_of(root))[1] == [tuned.preferred_rows]
