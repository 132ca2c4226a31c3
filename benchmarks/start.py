"""Seconds until `lookalike --help` answers: fresh processes, after one that warms the file cache."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

ROUNDS = 15


def run() -> dict[str, Any]:
    seconds = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "lookalike", "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    seconds = sorted(seconds[1:])
    return {
        "help_median_s": round(statistics.median(seconds), 3),
        "help_max_s": round(seconds[-1], 3),
        "rounds": ROUNDS,
    }
