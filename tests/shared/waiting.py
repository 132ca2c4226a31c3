"""Waiting for what comes soon, with an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

WAIT_S = 20.0


def eventually(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so; fails after WAIT_S."""
    deadline, pause = time.monotonic() + WAIT_S, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, f"never came: {what}"
        pause.wait(0.002)
