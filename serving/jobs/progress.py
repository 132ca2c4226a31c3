"""The progress of a job: how far it is, how fast it goes now, and when it will end.

Speeds are those of the last half minute: a job over hours meets slow disks and restarted servers, and a mean since the
start would say nothing of either.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from artifact.events import Report
from serving.client.scorer import Scorer

RECENT_S = 30.0


class Counts(Protocol):
    """What a window or a part of rows is counted by."""

    @property
    def num_rows(self) -> int: ...
    @property
    def num_errors(self) -> int:
        """Rows of them that have bad images."""

    @property
    def num_images(self) -> int:
        """Distinct images that were run."""


class JobProgress:
    """Counts a job's windows.

    Args:
        scorer: whose latency is told, where it has any.
        num_rows: rows that the job answers; None where that is not known yet.
        done, num_errors: of them, answered before this call, and bad.
        report: who is told after each window.
        clock: seconds, rising.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        num_rows: int | None,
        done: int,
        num_errors: int,
        report: Report | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._scorer, self._num_rows, self._clock = scorer, num_rows, clock
        self._done, self._num_errors, self._num_images = done, num_errors, 0
        self._recent = deque([(clock(), done, 0)])  # (when, rows done, images run)

    def add(self, scored: Counts) -> None:
        """Take a window or a part, and report it (see score_table)."""
        self._done += scored.num_rows
        self._num_errors += scored.num_errors
        self._num_images += scored.num_images
        now = self._clock()
        self._recent.append((now, self._done, self._num_images))
        while len(self._recent) > 2 and now - self._recent[1][0] > RECENT_S:
            self._recent.popleft()
        then, done, num_images = self._recent[0]
        seconds = max(now - then, 1e-9)
        rows_per_s = (self._done - done) / seconds
        left = None if self._num_rows is None else self._num_rows - self._done
        if self._report is not None:
            self._report(
                {
                    "event": "rows",
                    "done": self._done,
                    "num_rows": self._num_rows,
                    "num_errors": self._num_errors,
                    "images_per_s": (self._num_images - num_images) / seconds,
                    "eta_s": None if left is None or not rows_per_s else left / rows_per_s,
                    **latency_facts(self._scorer),
                }
            )


def latency_facts(scorer: Scorer) -> dict[str, float | None]:
    """{p50_ms, p99_ms} of the scorer's batches; None before there was one."""
    latency = scorer.latency()
    p50_s, p99_s = latency or (None, None)
    return {
        "p50_ms": None if p50_s is None else round(1e3 * p50_s, 3),
        "p99_ms": None if p99_s is None else round(1e3 * p99_s, 3),
    }
