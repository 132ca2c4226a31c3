"""The number of images of a request: fixed, or found while running.

Found by doubling: as long as twice the images give clearly more images a second, the next requests are twice as large.
With as many requests under way at any time, a request's images by its seconds go with the throughput (Little's law), so
neither a clock nor a count of all images is needed, and a pause between requests does not matter.
"""

from __future__ import annotations

import statistics
import threading

FIRST_SIZE = 8
_SAMPLES = 8
_CLEARLY_MORE = 1.1
_NEAR = 0.5
"""Of the deadline: a request that took so much of it may miss it next time."""


class BatchSize:
    """The number of images of a request; may be used from several threads at a time.

    Args:
        size: of the first requests; of all, where `most` is None.
        most: of any request, where the size is to be found.
        timeout_s: deadline of a request, in seconds.
    """

    def __init__(self, size: int, *, most: int | None = None, timeout_s: float = 60.0) -> None:
        self._size = size if most is None else min(size, most)
        self._most, self._timeout_s = most, timeout_s
        self._is_found = most is None
        self._best: float | None = None
        self._rates: list[float] = []
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Images of the next request."""
        return self._size

    def note(self, num_images: int, seconds: float) -> None:
        """A request of so many images was answered in so many seconds."""
        with self._lock:
            if self._most is None or not 3 * self._size <= 4 * num_images <= 4 * self._size:
                return  # the rest of a table, or sent before the size changed
            if seconds > _NEAR * self._timeout_s:
                self._shrink(self._size // 2)
            elif not self._is_found:
                self._rates.append(num_images / max(seconds, 1e-9))
                if len(self._rates) == _SAMPLES:
                    self._decide(statistics.median(self._rates))

    def halve(self, num_images: int) -> bool:
        """A request of so many images was too large for the server; False if the size is fixed, or cannot be less."""
        with self._lock:
            if self._most is None or num_images < 2:
                return False
            self._shrink(min(self._size, num_images // 2))
            return True

    def _decide(self, rate: float) -> None:
        assert self._most is not None
        self._rates = []
        if self._best is not None and rate < _CLEARLY_MORE * self._best:
            self._size, self._is_found = max(1, self._size // 2), True  # the smaller one did as well
        elif self._size >= self._most:
            self._is_found = True
        else:
            self._best, self._size = rate, min(2 * self._size, self._most)

    def _shrink(self, size: int) -> None:
        self._size = self._most = max(1, size)
        self._is_found, self._rates = True, []
