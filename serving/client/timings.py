"""The times of the latest batches: for a person to see of a server, and to choose the batch size by."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_KEPT = 1000


class Latency(NamedTuple):
    """Median and 99th percentile of the latest batches, at most a thousand, without reading and decoding here."""

    p50_s: float
    p99_s: float


class Timings:
    """The times of answered batches; may be called from several threads at a time.

    Attributes:
        listener: is told too: the number of images and the seconds that they took.
    """

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self.listener: Callable[[int, float], None] | None = None

    def note(self, num_images: int, seconds: float) -> None:
        """A batch of so many images took so long; waits for a full queue, or a server that is away, do not count."""
        with self._lock:
            self._seconds.append(seconds)
        if self.listener is not None:
            self.listener(num_images, seconds)

    def latency(self) -> Latency | None:
        """None before the first batch."""
        with self._lock:
            seconds = list(self._seconds)
        if not seconds:
            return None
        p50, p99 = np.percentile(seconds, [50, 99])
        return Latency(float(p50), float(p99))
