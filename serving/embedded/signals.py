"""The signals that end a server, waited for without a gap."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], None]]:
    """A function that waits for SIGTERM or SIGINT, sent from now on; what was done with them before is restored.

    The system's handler writes them into a socket. One of Python's own would run in this thread only once it wakes up:
    a signal that comes when it is just about to sleep, on an event or a queue, would be slept over for ever.
    """

    def note(number: int, frame: FrameType | None) -> None:
        """Nothing more: the number is in the socket."""

    def wait() -> None:
        while reader.recv(1)[0] not in before:
            pass  # a signal of somebody else's

    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        old_writer = signal.set_wakeup_fd(writer.fileno())
        before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield wait
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_writer)
