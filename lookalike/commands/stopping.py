"""SIGTERM as Ctrl-C, for a command whose work can be continued: it lets go of what it holds and says how far it is."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

EXIT_TERMINATED = 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """An exit because SIGTERM came."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated in the block where SIGTERM comes; outside of the main thread, where Python cannot, nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
