"""Requests that leave a batcher without an answer, and what becomes of those that wait when it changes or closes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from artifact.errors import UnavailableError
from serving.embedded.batching.batcher import Batcher
from serving.embedded.batching.policy import BatchingPolicy, LevelPolicy
from serving.embedded.batching.statistics import Statistics
from serving.embedded.requests.caller import CANCELLED, Caller, Presence
from serving.protocol import QUEUE_FULL, STOPPING, TIMED_OUT
from tests.shared.doubling_model import POLICY, Client, Doubler, batching, queued, rows
from tests.shared.waiting import WAIT_S, eventually


def test_batcher_with_instances_closes_after_its_runs() -> None:
    """A run that began in its caller's thread is over when `close` returns, although a worker was free."""
    model = Doubler()
    batcher = Batcher(model, POLICY, Statistics(), instances=2)
    model.go.clear()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(batcher.infer, rows(1), 1)
        eventually(lambda: model.sizes == [1], "the run")
        closing = pool.submit(batcher.close)
        with pytest.raises(TimeoutError):
            closing.result(0.2)  # a `close` that did not wait would be done
        model.go.set()
        closing.result(WAIT_S)
    assert running.result(0)["y"].item() == 2


def test_batcher_refuses_over_its_bound() -> None:
    """With two waiting of two that may, the next is refused at once, and the two are answered."""
    model = Doubler()
    with batching(model, BatchingPolicy(max_requests=2, max_rows=8)) as batcher:
        with queued(batcher, model, rows(1), rows(2)) as futures:
            with pytest.raises(UnavailableError) as refused:
                batcher.infer(rows(3), 1)
            assert str(refused.value) == f"{QUEUE_FULL}: 2 requests wait for this model (max_queue)"
        assert [future.result(WAIT_S)["y"].item() for future in futures] == [2, 4]


def test_batcher_drops_what_nobody_waits_for() -> None:
    """A request that was cancelled while it waited never reaches the model."""
    model = Doubler()
    with batching(model) as batcher:
        with queued(batcher, model, rows(1), caller=Caller(Presence(lambda: False))) as futures:
            pass
        with pytest.raises(UnavailableError) as dropped:
            futures[0].result(WAIT_S)
    assert str(dropped.value) == CANCELLED
    assert model.sizes == [1]


def test_batcher_refuses_at_the_end_of_its_time_what_still_waits() -> None:
    """In Triton's words, and while the model runs, not when it is done."""
    model = Doubler()
    policy = BatchingPolicy(max_requests=9, max_rows=8, level=LevelPolicy(timeout_us=1))
    with batching(model, policy) as batcher, ThreadPoolExecutor(1) as pool:
        model.go.clear()
        running = pool.submit(batcher.infer, rows(1), 1)
        eventually(lambda: model.sizes == [1], "the first run")
        with pytest.raises(UnavailableError) as late:
            batcher.infer(rows(2), 1)
        assert str(late.value) == TIMED_OUT
        model.go.set()
        assert running.result(WAIT_S)["y"].item() == 2
        assert batcher.infer(rows(3), 1)["y"].item() == 6  # one that need not wait has no reason to time out
    assert model.sizes == [1, 1]


def test_batcher_drains_before_it_closes() -> None:
    """What waits when it is closed is answered; what comes later is refused."""
    model = Doubler()
    batcher = Batcher(model, POLICY, Statistics())
    with queued(batcher, model, rows(1), rows(2)) as futures:
        closing = threading.Thread(target=batcher.close)
        closing.start()
    closing.join(WAIT_S)
    assert [future.result(0)["y"].item() for future in futures] == [2, 4]
    with pytest.raises(UnavailableError) as late:
        batcher.infer(rows(3), 1)
    assert str(late.value) == STOPPING


def test_batcher_closed_without_draining_refuses_what_waits() -> None:
    """The run that had begun is finished, what waits is refused."""
    model = Doubler()
    batcher = Batcher(model, POLICY, Statistics())
    with queued(batcher, model, rows(1)) as futures:
        closing = threading.Thread(target=batcher.close, kwargs={"drain": False})
        closing.start()
        with pytest.raises(UnavailableError) as refused:
            futures[0].result(WAIT_S)
    closing.join(WAIT_S)
    assert str(refused.value) == STOPPING
    assert model.sizes == [1]


def test_batcher_frees_the_place_of_a_request_that_is_given_up() -> None:
    """At once, while the model runs: another one can wait, and the thread of the first is free."""
    model, client = Doubler(), Client()
    with batching(model, BatchingPolicy(max_requests=1, max_rows=8)) as batcher:
        with queued(batcher, model, rows(1), caller=client.caller) as futures:
            client.leave()
            with pytest.raises(UnavailableError, match=CANCELLED):
                futures[0].result(WAIT_S)
            with ThreadPoolExecutor(1) as pool:
                other = pool.submit(batcher.infer, rows(2), 1)
                eventually(lambda: batcher.num_waiting == 1, "the other one waits")
                model.go.set()
                assert other.result(WAIT_S)["y"].item() == 4
        client.leave()  # after the answer nothing happens
        assert batcher.infer(rows(3), 1, caller=client.caller)["y"].item() == 6
    assert model.sizes == [1, 1, 1]


def test_batcher_gives_full_queues_to_who_is_still_there() -> None:
    """A client whose absence nobody told of loses its place to the next that needs one."""
    model, client = Doubler(), Client()
    with (
        batching(model, BatchingPolicy(max_requests=1, max_rows=8)) as batcher,
        queued(batcher, model, rows(1), caller=client.caller) as futures,
        ThreadPoolExecutor(1) as pool,
    ):
        client.is_there = False
        other = pool.submit(batcher.infer, rows(2), 1)
        with pytest.raises(UnavailableError, match=CANCELLED):
            futures[0].result(WAIT_S)
        model.go.set()
        assert other.result(WAIT_S)["y"].item() == 4


def test_batcher_rearranged_keeps_what_waits() -> None:
    """Those that wait run by the new rules, in as many threads as there are now; the run of before ends as it began."""
    model, other = Doubler(), Doubler()
    other.go.clear()
    with batching(model) as batcher:
        with queued(batcher, model, rows(1), rows(2), rows(3), rows(4)) as futures:
            policy = BatchingPolicy(max_rows=8, preferred_rows=(2,))
            batcher.rearrange(other, policy, instances=2)
            eventually(lambda: other.sizes == [2], "the second instance runs while the first is held")
            other.go.set()
        assert [future.result(WAIT_S)["y"].item() for future in futures] == [2, 4, 6, 8]
        assert other.sizes == [2, 2]
        assert model.sizes == [1]
        batcher.close()
        batcher.rearrange(model, POLICY, instances=9)
        with pytest.raises(UnavailableError, match=STOPPING):
            batcher.infer(rows(1), 1)


def test_batcher_in_order_refuses_at_once() -> None:
    """Who gives up does not wait for those before."""
    model, client = Doubler(), Client()
    with (
        batching(model, BatchingPolicy(max_rows=1, in_order=True)) as batcher,
        queued(batcher, model, rows(1), rows(2), caller=client.caller) as futures,
    ):
        client.leave()
        for future in futures:
            with pytest.raises(UnavailableError, match=CANCELLED):
                future.result(WAIT_S)
    assert model.sizes == [1]
