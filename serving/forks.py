"""Forks of this process: things with threads are made anew in the child, and the work on batches pauses around a fork.

A fork copies one thread and every lock, so a pool, a channel or a session that is used on in the child waits for
threads that are not there. Decisions a reader would question:
- What was copied is never used, closed or freed in the child: each of these would wait for its threads.
- gRPC works in a child only where none of its calls was under way at the fork. So a fork waits for ours, a few seconds
  at most; where that was not enough, calls in the child are refused in one line, since they would hang or abort.
- It waits for batches that are decoded and run here too: a module that was half imported (Pillow's formats come when
  they are first met) would stay locked in the child for ever.
- The hooks are registered with the first object that needs them, not on import.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Generic, TypeVar

from artifact.errors import ServerError

Thing = TypeVar("Thing")

_WAIT_S = 5.0
"""For what is under way at a fork; grpcio waits as long for its own threads."""


class PerProcess(Generic[Thing]):
    """A thing with threads: made now, and anew by a forked process that uses it; safe to use from any thread.

    Args:
        make: gives the thing; it gets the one of the process that was forked, for its facts alone, or None.

    Raises:
        Exception: what `make` raises; the next use tries again.
    """

    def __init__(self, make: Callable[[Thing | None], Thing]) -> None:
        watch_forks()
        self._make = make
        self._lock = threading.Lock()
        self._left: Thing | None = None
        self._made: Thing | None = make(None)
        _FORKS.things.add(self)

    def __call__(self) -> Thing:
        """The thing of this process."""
        made = self._made
        if made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make(self._left)
                made = self._made
        return made

    @property
    def made(self) -> Thing | None:
        """The thing of this process; None where it was not used in it yet."""
        return self._made

    def leave(self) -> None:
        """Put the thing of the process that was forked aside; called in the child, while it has one thread."""
        self._lock = threading.Lock()
        if self._made is not None:
            keep_for_ever(self._made)
            self._left, self._made = self._made, None


class _Forks:
    """What is under way, and what has to be done around a fork."""

    def __init__(self) -> None:
        self.things: weakref.WeakSet[PerProcess[Any]] = weakref.WeakSet()
        self.kept: weakref.WeakSet[Any] = weakref.WeakSet()
        self.count = 0
        self.spoiled = ""
        self.num_servers = 0
        self._is_quiet = True
        self._reset()

    def _reset(self) -> None:
        self._changed, self._own = threading.Condition(), threading.local()
        self._num_inside = self._num_calls = self._num_forking = 0

    def begin(self, is_call: bool) -> None:
        with self._changed:
            # who is inside already must get to his end, for which the fork waits
            while self._num_forking and not getattr(self._own, "depth", 0):
                self._changed.wait()
            self._own.depth = getattr(self._own, "depth", 0) + 1
            self._num_inside += 1
            self._num_calls += is_call

    def end(self, is_call: bool) -> None:
        with self._changed:
            self._own.depth -= 1
            self._num_inside -= 1
            self._num_calls -= is_call
            self._changed.notify_all()

    def before(self) -> None:
        with self._changed:
            self._num_forking += 1
            self._changed.wait_for(lambda: self._num_inside == 0, _WAIT_S)
            self._is_quiet = self._num_calls == 0

    def after_in_parent(self) -> None:
        with self._changed:
            self._num_forking -= 1
            self._changed.notify_all()

    def after_in_child(self) -> None:
        if not self._is_quiet:
            self.spoiled = "calls to servers were under way"
        elif self.num_servers:
            self.spoiled = "a Server was running"
        self._reset()
        self.count += 1
        for thing in list(self.things):
            thing.leave()
        for kept in list(self.kept):
            keep_for_ever(kept)


_FORKS = _Forks()


@cache
def watch_forks() -> None:
    """From now on be told of every fork."""
    os.register_at_fork(
        before=_FORKS.before, after_in_parent=_FORKS.after_in_parent, after_in_child=_FORKS.after_in_child
    )


@contextmanager
def unforked(*, is_call: bool = False) -> Iterator[None]:
    """Work that a fork waits for, and that waits for the end of a fork; one may be within another.

    Args:
        is_call: a call to a server, amid which a fork leaves a child without gRPC.
    """
    _FORKS.begin(is_call)
    try:
        yield
    finally:
        _FORKS.end(is_call)


def note_server(change: int) -> None:
    """So many servers more, or less, run in this process: their threads are never quiet."""
    watch_forks()
    _FORKS.num_servers += change


def num_forks() -> int:
    """Forks between the process that was started and this one, since there was somebody to notice."""
    return _FORKS.count


def require_quiet_fork() -> None:
    """Raise ServerError where this process was forked in a moment after which gRPC does not work in it."""
    if _FORKS.spoiled:
        raise broken_by_fork(f"{_FORKS.spoiled} at the fork")


def broken_by_fork(got: str) -> ServerError:
    """gRPC cannot be used in this forked process."""
    return ServerError(
        "this forked process cannot call servers",
        expected="a fork while nothing in the process uses gRPC",
        got=got,
        mend="fork before the first call, or start processes with multiprocessing's spawn or forkserver",
    )


def keep_in_children(thing: object) -> None:
    """Never free a thing in processes that are forked from this one."""
    watch_forks()
    _FORKS.kept.add(thing)


def keep_for_ever(thing: object) -> None:
    """Never free a thing, not even when the interpreter ends: its end would wait for threads that are not here."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
