"""The open calls of a server: those that are not answered yet, and those whose answer is not sent."""

from __future__ import annotations

import threading
from functools import partial

import grpc


class Calls:
    """Counts calls from their request to the last byte of their answer; safe to use from any thread.

    A call of one request counts until gRPC says that it has ended, a stream only while it is at an answer.
    """

    def __init__(self) -> None:
        self._unary: set[grpc.ServicerContext] = set()
        self._lock = threading.Lock()
        self._num_streaming = 0
        self._is_ending = False

    def begin(self, context: grpc.ServicerContext) -> None:
        """A call of one request begins."""
        self._unary.add(context)
        if not context.add_callback(partial(self._unary.discard, context)):
            self._unary.discard(context)

    def begin_in_stream(self) -> bool:
        """A stream comes to another request; False if it shall end instead."""
        with self._lock:
            self._num_streaming += not self._is_ending
            return not self._is_ending

    def end_in_stream(self) -> None:
        """Its answer was sent."""
        with self._lock:
            self._num_streaming -= 1

    def end_streams(self) -> None:
        """Let every stream end after the answer that it is at."""
        with self._lock:
            self._is_ending = True

    @property
    def are_answered(self) -> bool:
        """Whether all answers are sent; streams may be open."""
        return not self._unary and not self._num_streaming
