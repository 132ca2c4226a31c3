"""The machine's processors and memory, as Triton tells them: of the whole machine, and not of this process."""

from __future__ import annotations

import threading
from pathlib import Path


class Machine:
    """Looks at Linux' /proc; on other systems there is nothing to tell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = _processor_times()

    def utilization(self) -> float | None:
        """Share of the processors' time that was not idle since the last call, 0 to 1; None where it is not known."""
        with self._lock:
            last, now = self._last, _processor_times()
            self._last = now
        if last is None or now is None:
            return None
        busy, all_of_it = now[0] - last[0], now[1] - last[1]
        return min(1.0, max(0.0, busy / all_of_it)) if all_of_it > 0 else 0.0


def memory_bytes() -> tuple[int, int] | None:
    """Memory of the machine and how much of it is in use, in bytes; None where it is not known."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        known = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
        return known["MemTotal"], known["MemTotal"] - known["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _processor_times() -> tuple[int, int] | None:
    """Ticks of all processors that were not idle, and all of them."""
    try:
        with open("/proc/stat") as file:
            times = [int(word) for word in file.readline().split()[1:9]]  # guests are in user and nice already
        return sum(times) - times[3] - times[4], sum(times)
    except (OSError, ValueError, IndexError):
        return None
