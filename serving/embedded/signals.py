"""The signals that end a server, waited for without a gap."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Collection, Iterator
from types import FrameType

_WOKEN = 0
"""The number of no signal."""


class StopSignals:
    """SIGTERM and SIGINT as they come.

    Args:
        reader, writer: of the socket that the numbers of signals are written into.
        numbers: those that are waited for.
    """

    def __init__(self, reader: socket.socket, writer: socket.socket, numbers: Collection[int]) -> None:
        self._reader, self._writer, self._numbers = reader, writer, frozenset(numbers)

    def wait(self) -> bool:
        """Wait for a signal; False if `wake` was called before one came. Signals of somebody else are passed over."""
        while (number := self._reader.recv(1)[0]) not in self._numbers:
            if number == _WOKEN:
                return False
        return True

    def wake(self) -> None:
        """End a wait; from any thread."""
        with contextlib.suppress(BlockingIOError):  # full of signals: it does not sleep
            self._writer.send(bytes([_WOKEN]))


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """SIGTERM and SIGINT that are sent from now on; what was done with them before is restored.

    The system's handler writes them into a socket. One of Python's own would run in this thread only once it wakes up:
    a signal that comes when it is just about to sleep, on an event or a queue, would be slept over for ever.
    """

    def note(number: int, frame: FrameType | None) -> None:
        """Nothing more: the number is in the socket."""

    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        old_writer = signal.set_wakeup_fd(writer.fileno())
        before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield StopSignals(reader, writer, before)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_writer)
