"""When to try again: after waits that double, each drawn at random, so that many clients do not come at once."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_S, LAST_S = 0.1, 2.0


class Backoff:
    """The waits between tries: half to the whole of a limit that doubles.

    Args:
        first_s, last_s: the limit of the first wait, and what it grows to, in seconds.
        draw: a number of [0, 1); the jitter.
    """

    def __init__(
        self, first_s: float = FIRST_S, last_s: float = LAST_S, *, draw: Callable[[], float] = random.random
    ) -> None:
        self._limit_s, self._last_s, self._draw = first_s, last_s, draw

    def next_s(self) -> float:
        """How long to wait before the next try, in seconds."""
        limit_s = self._limit_s
        self._limit_s = min(self._last_s, 2 * limit_s)
        return limit_s * (1 + self._draw()) / 2
