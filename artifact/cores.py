"""The processor cores that this process may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Number of cores that this process may use: its affinity where the system has such a thing, else all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
