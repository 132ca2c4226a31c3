"""Answers that are still to come."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from serving.embedded.batching.pending import Pending
from tests.shared.waiting import WAIT_S


def test_pending_gives_what_another_thread_sets() -> None:
    """Before or after the wait begins, and as often as it is asked."""
    pending = Pending[int]()
    assert not pending.done()
    threading.Timer(0.01, pending.set_result, [7]).start()
    assert [pending.result(WAIT_S), pending.result(), pending.result(0)] == [7, 7, 7]
    assert pending.done()


def test_pending_raises_what_was_set() -> None:
    """The very error."""
    pending, error = Pending[int](), ValueError("no")
    pending.set_exception(error)
    with pytest.raises(ValueError, match="no") as raised:
        pending.result()
    assert raised.value is error


def test_pending_times_out_and_may_be_asked_again() -> None:
    """A wait that ended early changes nothing."""
    pending = Pending[int]()
    for timeout_s in (0.0, 0.001):
        with pytest.raises(TimeoutError):
            pending.result(timeout_s)
    pending.set_result(1)
    assert pending.result(1e12) == 1


def test_pending_wakes_every_thread_that_waits() -> None:
    """One lets the next through."""
    pending, got = Pending[int](), []
    threads = [threading.Thread(target=lambda: got.append(pending.result(WAIT_S))) for _ in range(5)]
    for thread in threads:
        thread.start()
    pending.set_result(3)
    for thread in threads:
        thread.join(WAIT_S)
    assert got == [3] * 5


def test_pending_is_set_once() -> None:
    """Two outcomes of one request are a mistake of ours."""
    pending = Pending[int]()
    pending.set_result(1)
    with pytest.raises(RuntimeError, match="set once"):
        pending.set_exception(ValueError("late"))
    assert pending.result() == 1


def test_pending_leaves_no_cycle_behind_an_error() -> None:
    """A refused request's arrays are free at once, not when the collector comes by."""

    class RefusedError(Exception):
        """Weak references need a class of one's own."""

    gc.disable()
    try:
        pending = Pending[int]()
        pending.set_exception(RefusedError())
        seen = None
        try:
            pending.result()
        except RefusedError as error:
            seen = weakref.ref(error)
        del pending
        assert seen is not None
        assert seen() is None
    finally:
        gc.enable()
