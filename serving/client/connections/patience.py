"""The patience of one call with servers that fail it, and the waits between tries.

Waits double, and each is drawn at random, so that many clients do not come at once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable

from artifact.errors import UnavailableError

FIRST_S, LAST_S = 0.1, 2.0
"""Waits for a server that is away."""
BUSY_FIRST_S, BUSY_LAST_S = 0.02, 1.0
"""Waits for a server that is busy."""


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


class Patience:
    """The patience of one call: how long it is tried, and which servers refused it because they are busy.

    Times are those of time.monotonic(), in seconds.

    Args:
        retry_s: how long it may wait from its first failure on; 0 for not at all, inf for ever.

    Attributes:
        refusal: the last answer of a busy server; None where there was none.
    """

    def __init__(self, retry_s: float) -> None:
        self.refusal: UnavailableError | None = None
        self._retry_s = retry_s
        self._end: float | None = None
        self._again_at: dict[Hashable, float] = {}
        self._backoff = Backoff(BUSY_FIRST_S, BUSY_LAST_S)

    def left_s(self, now: float) -> float:
        """How long it may still wait; the time runs from when this is asked first."""
        if self._end is None:
            self._end = now + self._retry_s
        return self._end - now

    def refused(self, server: Hashable, refusal: UnavailableError, now: float) -> None:
        """A server was busy: it is asked again after a wait, a last time when patience ends, and then no more."""
        left_s = self.left_s(now)
        self.refusal = refusal
        self._again_at[server] = now + min(self._backoff.next_s(), left_s) if left_s > 0 else math.inf

    def again_at(self, server: Hashable) -> float:
        """When a server may be asked again; inf for never."""
        return self._again_at.get(server, -math.inf)
