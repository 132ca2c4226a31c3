"""The threads that answer calls: as many as there are calls, but few of them awake at a time.

Decisions a reader would question:
- Not a plain pool: what a small call costs in Python is mostly threads that wake each other, and a plain pool wakes one
  for every call. Here a call waits for one of the few that are at work, which takes it without having slept.
- No call waits for a slow one. A thread that waits for something else than the interpreter says so (`resting`), and
  another takes its place; and where one has been at the same call for two ticks, a clock takes it for resting too: its
  client may be slow to send.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

AWAKE = 2
"""Threads that take calls at a time: while one waits for the bytes of its request the other uses the interpreter, which
only one can."""
_TICK_S = 0.002


class Call:
    """A call that waits or runs, for those who want to know when it has ended and not what came of it."""

    __slots__ = ("_args", "_callbacks", "_function", "_has_ended", "future")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], future: Future[Any] | None = None) -> None:
        self._function, self._args, self.future = function, args, future
        self._callbacks: list[Callable[[Call], object]] = []
        self._has_ended = False

    def add_done_callback(self, callback: Callable[[Call], object]) -> None:
        """Have a function called when it has ended, or at once."""
        self._callbacks.append(callback)
        if self._has_ended:
            self.end()

    def run(self) -> None:
        """Errors are its own affair: gRPC's calls tell theirs to the client."""
        with suppress(BaseException):
            self._function(*self._args)
        self.end()

    def end(self) -> None:
        """Call back, each function once, whoever comes first."""
        self._has_ended = True
        with suppress(IndexError):
            while self._callbacks:
                self._callbacks.pop()(self)


def _fulfil(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


class _Worker:
    """A thread's state: `bed` is held while it may not wake, `is_away` while it runs a call and counts as asleep."""

    def __init__(self) -> None:
        self.bed = threading.Lock()
        self.bed.acquire()
        self.is_away = False
        self.since = 0


class Workers(Executor):
    """An executor for calls that wait.

    Args:
        limit: threads at most; calls beyond them wait.
        awake: threads that take calls at a time, those that rest not counted.
        name: what the names of the threads begin with.
    """

    def __init__(self, limit: int, name: str, *, awake: int = AWAKE) -> None:
        self._limit, self._awake, self._name = limit, awake, name
        self._lock = threading.Lock()  # guards all that follows
        self._calls: deque[Call] = deque()
        self._asleep: list[_Worker] = []  # the last to fall asleep is the first to wake: its memory is still warm
        self._busy: set[_Worker] = set()  # those that run a call and are not away
        self._threads: list[threading.Thread] = []
        self._num_awake = 0
        self._is_closed = False
        self._mine = threading.local()
        self._clock: threading.Thread | None = None
        self._clock_bed = threading.Lock()
        self._clock_runs = False
        self._ticks = 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """See Executor.submit; raises RuntimeError after `shutdown`."""
        future: Future[Any] = Future()
        self._take(Call(_fulfil, (future, partial(function, *args, **options)), future))
        return future

    def start(self, function: Callable[..., Any], /, *args: Any) -> Call:
        """`submit` for less: without a result, and its errors unseen."""
        call = Call(function, args)
        self._take(call)
        return call

    def _take(self, call: Call) -> None:
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the workers have been shut down")
            self._calls.append(call)
            if not self._wake():
                self._start_clock()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """A wait of the thread that runs a call, or work of it without the interpreter: another may take its place."""
        worker: _Worker | None = getattr(self._mine, "worker", None)
        if worker is None or worker.is_away:
            yield
            return
        with self._lock:
            self._leave(worker)
            if self._calls:
                self._wake()
        try:
            yield
        finally:
            with self._lock:
                self._return(worker)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, run those that wait or cancel them, and end the threads."""
        with self._lock:
            self._is_closed = True
            cancelled = list(self._calls) if cancel_futures else []
            if cancel_futures:
                self._calls.clear()
            for worker in self._asleep:
                self._num_awake += 1
                worker.bed.release()
            self._asleep.clear()
            if self._clock is not None and not self._clock_runs:
                self._clock_runs = True
                self._clock_bed.release()
        for call in cancelled:
            if call.future is not None:
                call.future.cancel()
            call.end()
        for thread in self._threads if wait else ():
            thread.join()

    def _wake(self) -> bool:
        """Have one more thread take calls, if there may be one more; the lock is held."""
        if self._num_awake >= self._awake:
            return False
        if self._asleep:
            self._asleep.pop().bed.release()
        elif len(self._threads) < self._limit:
            name = f"{self._name}_{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()
        else:
            return False
        self._num_awake += 1
        return True

    def _leave(self, worker: _Worker) -> None:
        worker.is_away = True
        self._busy.discard(worker)
        self._num_awake -= 1

    def _return(self, worker: _Worker) -> None:
        if worker.is_away:
            worker.is_away, worker.since = False, self._ticks
            self._busy.add(worker)
            self._num_awake += 1

    def _work(self) -> None:
        worker = self._mine.worker = _Worker()
        while (call := self._next(worker)) is not None:
            call.run()
            del call  # while it sleeps, nothing is held in memory

    def _next(self, worker: _Worker) -> Call | None:
        """The call that a thread runs next; None once all is over."""
        while True:
            with self._lock:
                self._return(worker)
                if self._calls and (self._num_awake <= self._awake or self._is_closed):
                    worker.since = self._ticks
                    self._busy.add(worker)
                    return self._calls.popleft()
                self._busy.discard(worker)
                self._num_awake -= 1
                if self._is_closed:
                    return None
                if self._calls:  # it was woken for one, and others that rested were back at theirs before it
                    self._start_clock()
                self._asleep.append(worker)
            worker.bed.acquire()

    def _start_clock(self) -> None:
        """Look after calls that wait; the lock is held."""
        if self._clock_runs:
            return
        self._clock_runs = True
        if self._clock is None:
            self._clock_bed.acquire()
            self._clock = threading.Thread(target=self._watch, name=f"{self._name}-clock", daemon=True)
            self._clock.start()
        else:
            self._clock_bed.release()

    def _watch(self) -> None:
        """Tick while calls wait: threads still at the call of the tick before the last are taken for resting."""
        while True:
            time.sleep(_TICK_S)
            with self._lock:
                self._ticks += 1
                for worker in [each for each in self._busy if each.since < self._ticks - 1]:
                    self._leave(worker)
                for _ in range(len(self._calls)):
                    if not self._wake():
                        break
                if self._is_closed:
                    return
                self._clock_runs = bool(self._calls)
            if not self._clock_runs:
                self._clock_bed.acquire()


class CallPool:
    """Workers as grpcio takes a pool: it asks a call only when it has ended."""

    def __init__(self, workers: Workers) -> None:
        self.submit = workers.start
