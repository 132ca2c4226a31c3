"""The rules of a queue as config.pbtxt states them: which requests run together, how many may wait, how long.

The names are those of Triton's ModelDynamicBatching and ModelQueuePolicy, and so is what they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class LevelPolicy:
    """The rules of one level of priority.

    Attributes:
        max_requests: that may wait; 0 for no limit.
        timeout_us: longest wait of a request, in microseconds; 0 for no limit.
        may_shorten: whether a request may name a shorter one (`allow_timeout_override`).
        delays: a request that waited too long is not refused, but waits until those of its level that have not are
            done (timeout action DELAY).
    """

    max_requests: int = 0
    timeout_us: int = 0
    may_shorten: bool = False
    delays: bool = False

    def timeout_ns(self, asked_us: int) -> int:
        """Longest wait of a request that asks for `asked_us` microseconds, in nanoseconds; 0 for no limit.

        As in Triton a request can make a limit shorter, and make none where the config has none.
        """
        shorter = self.may_shorten and 0 < asked_us < self.timeout_us
        return 1000 * (asked_us if shorter else self.timeout_us)


@dataclass(frozen=True)
class BatchingPolicy:
    """The rules of a model's queue.

    Attributes:
        max_rows: of one run. No request may have more.
        max_requests: that may wait in all, as the server is told.
        max_bytes: that may wait in all, of the arrays of requests; a request alone may have more.
        merges: False runs every request alone.
        preferred_rows: sizes of a run: one that comes out exactly is taken, and no run grows beyond the largest, but
            that a request of more rows runs alone. None merges up to `max_rows`.
        delay_ns: how long a request waits at most for others to make a preferred size; 0 never waits.
        in_order: answers leave in the order in which their requests began to run; refusals leave at once.
        has_batch: False for a model whose arrays have no rows: every request is one run, and takes its outputs whole.
        varies: whether requests differ in shape; those that do never run together.
        levels: of priority, 1 is the highest; 0 has one level without a number.
        default_level: of requests that name none, or one that is not there.
        level: the rules of a level that has none of its own.
        own: {level: its own rules}.
    """

    max_rows: int
    max_requests: int = 1024
    max_bytes: int = 1024 * 1024 * 1024
    merges: bool = True
    preferred_rows: tuple[int, ...] = ()
    delay_ns: int = 0
    in_order: bool = False
    has_batch: bool = True
    varies: bool = False
    levels: int = 0
    default_level: int = 0
    level: LevelPolicy = LevelPolicy()
    own: Mapping[int, LevelPolicy] = field(default_factory=dict)

    @cached_property
    def largest_preferred(self) -> int:
        """Rows beyond which no run grows."""
        return max(self.preferred_rows, default=self.max_rows)

    def level_of(self, priority: int) -> int:
        """The level in which a request of that priority waits."""
        if not self.levels:
            return 0
        return priority if 0 < priority <= self.levels else self.default_level

    def rules_of(self, level: int) -> LevelPolicy:
        """The rules of a level."""
        return self.own.get(level, self.level)
