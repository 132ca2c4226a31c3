"""The times of the latest batches."""

from __future__ import annotations

import pytest

from serving.client.timings import Timings


def test_latency_is_the_median_and_the_99th_percentile_of_the_latest() -> None:
    """A thousand at most are kept."""
    timings = Timings()
    for _ in range(500):
        timings.note(8, 99.0)
    for number in range(1000):
        timings.note(8, number / 1000)
    latency = timings.latency()
    assert latency is not None
    assert latency == pytest.approx((0.4995, 0.98901))
