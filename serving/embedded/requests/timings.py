"""The moments of one request: noted by whoever does the work, read by whoever watches."""

from __future__ import annotations

import time


class Timings:
    """Moments in nanoseconds of the monotonic clock (`time.perf_counter_ns`); 0 for what has not happened.

    Attributes:
        begun_ns: the server began to read the request.
        decode_ns, decoded_ns: its images were decoded in between.
        queued_ns: it came to the batcher.
        run_ns, ran_ns: its batch ran in between.
        num_rows: its rows, once they are known.
    """

    __slots__ = ("begun_ns", "decode_ns", "decoded_ns", "num_rows", "queued_ns", "ran_ns", "run_ns")

    def __init__(self) -> None:
        self.begun_ns = time.perf_counter_ns()
        self.decode_ns = self.decoded_ns = self.queued_ns = self.run_ns = self.ran_ns = self.num_rows = 0
