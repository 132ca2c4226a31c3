"""Growth of a server while it is used: memory, threads and file descriptors, sampled, and told without the warm-up."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.serving.processes import Usage, usage

_SHARE = 5
"""Of the samples after the warm-up, the first and the last fifth are compared: one sample is noise."""


@dataclass
class Samples:
    """What was sampled so far, at equal distances."""

    pid: int
    taken: list[Usage] = field(default_factory=list)

    def take(self) -> None:
        """One more; raises ProcessLookupError where the server is gone."""
        self.taken.append(usage(self.pid))

    def growth(self, *, warm_up: float = 0.2) -> dict[str, Any]:
        """Of each figure its median in the beginning and the end, and of memory the percents between them.

        Args:
            warm_up: share of the samples that are left out.
        """
        after = self.taken[int(len(self.taken) * warm_up) :]
        part = max(1, len(after) // _SHARE)
        figures = {
            name: [statistics.median(getattr(one, name) for one in few) for few in (after[:part], after[-part:])]
            for name in ("rss_mib", "threads", "descriptors")
        }
        first, last = figures["rss_mib"]
        told: dict[str, Any] = {name: [round(value, 1) for value in values] for name, values in figures.items()}
        return told | {"rss_growth_percent": round(100 * (last / first - 1), 2), "samples": len(self.taken)}


@contextmanager
def sampling(pid: int, every_s: float) -> Iterator[Samples]:
    """Sample a server in the background."""
    samples, ended = Samples(pid), threading.Event()

    def sample() -> None:
        while not ended.wait(every_s):
            try:
                samples.take()
            except ProcessLookupError:
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()
