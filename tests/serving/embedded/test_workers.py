"""Workers: every call runs, few at a time, and no call waits for one that rests or is slow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack

import pytest

from serving.embedded.workers import AWAKE, Workers
from tests.shared.waiting import eventually

WAIT_S = 20.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(50, "test")
    yield made
    made.shutdown()


def test_workers_give_results_and_errors(workers: Workers) -> None:
    """As every executor does."""
    assert workers.submit(divmod, 7, 2).result(WAIT_S) == (3, 1)
    assert workers.submit(int, "11", base=2).result(WAIT_S) == 3
    with pytest.raises(ValueError, match="no number"):
        workers.submit(_fail, "no number").result(WAIT_S)
    assert list(workers.map(abs, [-1, 2, -3])) == [1, 2, 3]


def test_workers_run_calls_of_many_threads(workers: Workers) -> None:
    """Calls that come from everywhere at a time all run, each once."""
    done: list[int] = []

    def submit(first: int) -> None:
        for future in [workers.submit(done.append, first + place) for place in range(200)]:
            future.result(WAIT_S)

    threads = [threading.Thread(target=submit, args=(200 * each,)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(done) == list(range(1600))


def test_workers_start_no_more_threads_than_they_need(workers: Workers) -> None:
    """Short calls one after the other run in the threads that take calls at a time."""
    for _ in range(50):
        workers.submit(abs, 1).result(WAIT_S)
    names = {workers.submit(lambda: threading.current_thread().name).result(WAIT_S) for _ in range(50)}
    assert len(names) <= AWAKE


def test_workers_let_others_run_while_one_rests(workers: Workers) -> None:
    """Any number of calls may rest, and calls run beside them."""
    together = threading.Barrier(31)

    def rest() -> None:
        with workers.resting():
            together.wait(WAIT_S)

    resting = [workers.submit(rest) for _ in range(30)]
    assert workers.submit(abs, -1).result(WAIT_S) == 1
    together.wait(WAIT_S)
    for future in resting:
        future.result(WAIT_S)


def test_workers_do_not_wait_for_calls_that_never_say_they_rest(workers: Workers) -> None:
    """A client that does not send its request, say, holds its own call up and no other."""
    together = threading.Barrier(31)
    stuck = [workers.submit(together.wait, WAIT_S) for _ in range(30)]
    assert workers.submit(abs, -1).result(WAIT_S) == 1
    together.wait(WAIT_S)
    for future in stuck:
        future.result(WAIT_S)


def test_no_call_waits_for_those_that_came_back_from_a_rest(workers: Workers) -> None:
    """A thread that is woken for a call may find the places taken by threads whose rest ended meanwhile."""
    num_resting, num_late = AWAKE + 1, AWAKE
    for _ in range(20):
        go, together = threading.Event(), threading.Barrier(num_resting + num_late)

        def rest(go: threading.Event = go, together: threading.Barrier = together) -> None:
            with workers.resting():
                go.wait(WAIT_S)
            together.wait(WAIT_S)

        calls = [workers.submit(rest) for _ in range(num_resting)]
        eventually(lambda: not workers._busy and not workers._calls, "all resting")
        go.set()
        calls += [workers.submit(together.wait, WAIT_S) for _ in range(num_late)]
        for call in calls:
            call.result(WAIT_S)


def test_calls_that_are_started_tell_when_they_have_ended(workers: Workers) -> None:
    """Once each, whether they were asked before or after, and failed or not; the threads go on."""
    told: list[str] = []
    go = threading.Event()
    early = workers.start(go.wait, WAIT_S)
    early.add_done_callback(lambda _: told.append("early"))
    assert not told
    go.set()
    for function, word in ((abs, "late"), (_fail, "failed")):
        call, has_ended = workers.start(function, -1), threading.Event()
        call.add_done_callback(lambda _, has_ended=has_ended: has_ended.set())
        assert has_ended.wait(WAIT_S)
        call.add_done_callback(lambda _, word=word: told.append(word))
    assert workers.submit(abs, -1).result(WAIT_S) == 1
    eventually(lambda: sorted(told) == ["early", "failed", "late"], "all three")


def test_calls_are_told_of_once_by_whoever_comes_first(workers: Workers) -> None:
    """A callback that is added just when a call ends is not lost, and not called twice."""
    told: list[int] = []
    for number in range(2000):
        workers.start(abs, 1).add_done_callback(lambda _, number=number: told.append(number))
    workers.shutdown()
    assert sorted(told) == list(range(2000))


def test_workers_rest_only_in_their_own_threads(workers: Workers) -> None:
    """In others, and within another rest, it changes nothing."""
    with ExitStack() as stack:
        for _ in range(2 * AWAKE):
            stack.enter_context(workers.resting())
        assert workers.submit(abs, -1).result(WAIT_S) == 1

    def twice() -> int:
        with workers.resting(), workers.resting():
            return workers.submit(abs, -2).result(WAIT_S)

    assert [workers.submit(twice).result(WAIT_S) for _ in range(2 * AWAKE)] == [2] * 2 * AWAKE
    assert workers.submit(abs, -3).result(WAIT_S) == 3


def test_workers_have_calls_wait_beyond_their_limit() -> None:
    """With as many threads as there may be, the next call runs when one of them is free."""
    workers = Workers(2, "test")
    go = threading.Event()
    stuck = [workers.submit(go.wait, WAIT_S) for _ in range(2)]
    late = workers.submit(abs, -1)
    assert not late.done()
    go.set()
    assert late.result(WAIT_S) == 1
    assert all(future.result(WAIT_S) for future in stuck)
    workers.shutdown()


@pytest.mark.parametrize("cancel", [False, True])
def test_workers_that_end_run_what_waits_or_cancel_it(cancel: bool) -> None:
    """`shutdown` returns once every thread has ended, and later calls are refused."""
    workers = Workers(2, "test")
    go = threading.Event()
    stuck = [workers.submit(go.wait, WAIT_S) for _ in range(2)]
    late, told = workers.submit(abs, -1), threading.Event()
    workers.start(abs, -1).add_done_callback(lambda _: told.set())
    ending = threading.Thread(target=workers.shutdown, kwargs={"cancel_futures": cancel})
    if cancel:
        workers.shutdown(wait=False, cancel_futures=True)
        with pytest.raises(CancelledError):
            late.result(WAIT_S)
    ending.start()
    go.set()
    ending.join(WAIT_S)
    assert not ending.is_alive()
    assert all(future.done() for future in stuck)
    assert told.is_set()
    assert cancel or late.result(0) == 1
    with pytest.raises(RuntimeError, match="shut down"):
        workers.submit(abs, 1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("test_")]


def _fail(text: str) -> None:
    raise ValueError(text)
