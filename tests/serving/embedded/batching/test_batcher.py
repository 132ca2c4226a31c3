"""Dynamic batching: what runs together, in which order, and who notices a failure."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from artifact.errors import ServerError
from serving.embedded.batching.batcher import Batcher
from serving.embedded.batching.policy import BatchingPolicy
from serving.embedded.batching.statistics import Statistics
from tests.shared.doubling_model import POLICY, Doubler, batching, queued, rows
from tests.shared.waiting import WAIT_S, eventually


def test_batcher_runs_one_request_without_a_copy() -> None:
    """A request alone reaches the model as the very array that it brought."""
    model, feeds = Doubler(), rows(1, 2, 3)
    with batching(model) as batcher:
        assert batcher.infer(feeds, 3)["y"].tolist() == [[2], [4], [6]]
    assert model.last is feeds["x"]


def test_batcher_merges_what_waits_in_order() -> None:
    """Three requests that waited run once, and each gets its own rows."""
    model = Doubler()
    with batching(model) as batcher:
        with queued(batcher, model, rows(1, 2), rows(3), rows(4, 5)) as futures:
            pass
        assert [future.result(WAIT_S)["y"].ravel().tolist() for future in futures] == [[2, 4], [6], [8, 10]]
    assert [run.ravel().tolist() for run in model.runs] == [[0], [1, 2, 3, 4, 5]]


def test_batcher_reuses_its_buffer_without_mixing_answers() -> None:
    """A second merged run does not change the answers of the first."""
    model = Doubler()
    with batching(model) as batcher:
        answers = []
        for start in (10, 20):
            model.runs.clear()
            with queued(batcher, model, rows(start, start + 1), rows(start + 2)) as futures:
                pass
            answers += [future.result(WAIT_S)["y"] for future in futures]
    assert [answer.ravel().tolist() for answer in answers] == [[20, 22], [24], [40, 42], [44]]


def test_batcher_never_splits_a_request() -> None:
    """Of 5, 5 and 3 rows, with at most 8 a run, the first runs alone and the others together."""
    model = Doubler()
    with batching(model) as batcher, queued(batcher, model, rows(*range(5)), rows(*range(5)), rows(*range(3))):
        pass
    assert model.sizes == [1, 5, 8]


def test_batcher_merges_up_to_the_preferred_rows_only() -> None:
    """Five single rows, of which two are preferred, run as 2, 2 and 1; a request of more rows runs whole, alone."""
    model = Doubler()
    policy = BatchingPolicy(max_requests=9, max_rows=8, preferred_rows=(2,))
    with batching(model, policy) as batcher:
        with queued(batcher, model, rows(1), rows(2), rows(3), rows(4), rows(5), rows(*range(6))) as futures:
            pass
        assert [len(future.result(WAIT_S)["y"]) for future in futures] == [1, 1, 1, 1, 1, 6]
    assert model.sizes == [1, 2, 2, 1, 6]


def test_batcher_runs_as_many_at_a_time_as_it_has_instances() -> None:
    """With two instances two requests run at once, a third waits; all are answered, each with its own rows."""
    model = Doubler()
    with batching(model, instances=2) as batcher:
        model.go.clear()
        with ThreadPoolExecutor(4) as pool:
            futures = []
            for value in (1, 2, 3, 4):
                futures.append(pool.submit(batcher.infer, rows(value), 1))
                begun = min(value, 2)
                eventually(lambda begun=begun: len(model.runs) == begun, f"{begun} runs")
                eventually(lambda left=value - begun: batcher.num_waiting == left, "the others wait")
            model.go.set()
        assert [future.result(WAIT_S)["y"].item() for future in futures] == [2, 4, 6, 8]
    assert sorted(model.sizes) in ([1, 1, 1, 1], [1, 1, 2])


def test_batcher_with_instances_answers_each_its_own_rows() -> None:
    """Many requests over three instances: workers do not mix their buffers."""
    with batching(Doubler(), BatchingPolicy(max_requests=500, max_rows=8), instances=3) as batcher:
        with ThreadPoolExecutor(24) as pool:
            asked = [range(start, start + 1 + start % 3) for start in range(100, 500)]
            futures = [pool.submit(batcher.infer, rows(*those), len(those)) for those in asked]
        for those, future in zip(asked, futures, strict=True):
            assert future.result(WAIT_S)["y"].ravel().tolist() == [2 * value for value in those]


def test_batcher_that_must_not_merge_does_not() -> None:
    """Without dynamic batching every request is a run."""
    model = Doubler()
    with (
        batching(model, BatchingPolicy(max_requests=9, max_rows=8, merges=False)) as batcher,
        queued(batcher, model, rows(1), rows(2)),
    ):
        pass
    assert model.sizes == [1, 1, 1]


def test_batcher_confines_a_failure_to_its_request() -> None:
    """A merged run that fails is run again in halves: only the request at fault fails."""
    model, statistics = Doubler(), Statistics()
    with batching(model, statistics=statistics) as batcher:
        with queued(batcher, model, rows(1), rows(13), rows(2, 3)) as futures:
            pass
        assert futures[0].result(WAIT_S)["y"].item() == 2
        assert futures[2].result(WAIT_S)["y"].ravel().tolist() == [4, 6]
        with pytest.raises(ServerError, match="the model failed: got 13 is unlucky"):
            futures[1].result(WAIT_S)
        assert batcher.infer(rows(7), 1)["y"].item() == 14  # and the worker lives
    assert model.sizes == [1, 4, 1, 3, 1, 2, 1]
    assert (statistics.success.count, statistics.fail.count) == (4, 1)


def test_batcher_refuses_answers_of_another_length() -> None:
    """A model that gives too few rows is an error, never somebody else's rows."""
    batcher = Batcher(lambda feeds: {"y": feeds["x"][:1]}, POLICY, Statistics())
    try:
        with pytest.raises(ServerError, match="output 'y': expected 3 rows, got 1"):
            batcher.infer(rows(1, 2, 3), 3)
    finally:
        batcher.close()


def test_batcher_counts_runs_and_requests() -> None:
    """Rows, runs, requests and batch sizes, as Triton counts them."""
    model, statistics = Doubler(), Statistics()
    with batching(model, statistics=statistics) as batcher, queued(batcher, model, rows(1, 2), rows(3)):
        pass
    assert (statistics.inference_count, statistics.execution_count) == (4, 2)
    assert (statistics.success.count, statistics.queue.count, statistics.requests.compute_infer.count) == (3, 3, 3)
    assert {size: counts.compute_infer.count for size, counts in statistics.batches.items()} == {1: 1, 3: 1}
    parts = statistics.requests
    spent = statistics.queue.ns + parts.compute_input.ns + parts.compute_infer.ns + parts.compute_output.ns
    assert statistics.success.ns == spent > 0
    assert statistics.batches[3].compute_infer.ns * 2 + statistics.batches[1].compute_infer.ns == parts.compute_infer.ns


def test_batcher_with_a_delay_waits_for_a_preferred_size() -> None:
    """Two requests of which neither finds the model busy run together."""
    model = Doubler()
    policy = BatchingPolicy(max_rows=8, preferred_rows=(2,), delay_ns=60_000_000_000)
    with batching(model, policy) as batcher, ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(batcher.infer, rows(value), 1) for value in (1, 2)]
        assert [future.result(WAIT_S)["y"].item() for future in futures] == [2, 4]
    assert model.sizes == [2]


def test_batcher_with_a_delay_runs_what_came_when_it_is_over() -> None:
    """One request alone, after a moment."""
    model = Doubler()
    with batching(model, BatchingPolicy(max_rows=8, preferred_rows=(2,), delay_ns=1_000_000)) as batcher:
        assert batcher.infer(rows(1), 1)["y"].item() == 2


def test_batcher_in_order_answers_in_the_order_of_arrival() -> None:
    """With two instances the second request is done first, and is answered second."""
    release = {1: threading.Event(), 2: threading.Event()}

    def run(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert release[int(feeds["x"][0, 0])].wait(WAIT_S)
        return {"y": feeds["x"]}

    batcher = Batcher(run, BatchingPolicy(max_rows=1, in_order=True), Statistics(), instances=2)
    try:
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(batcher.infer, rows(1), 1)
            eventually(lambda: batcher._num_running == 1, "the first runs")
            second = pool.submit(batcher.infer, rows(2), 1)
            eventually(lambda: batcher._num_running == 2, "the second runs")
            release[2].set()
            eventually(lambda: batcher._num_running == 1, "the second is done")
            assert not second.done()
            release[1].set()
            assert first.result(WAIT_S)["y"].item() == 1
            assert second.result(WAIT_S)["y"].item() == 2
    finally:
        batcher.close()


def test_batcher_finds_one_poisoned_request_of_many_in_few_runs() -> None:
    """Of 64 the halves, the quarters and so on: two runs a halving, and everyone else is answered."""
    model = Doubler()
    with batching(model, BatchingPolicy(max_rows=64)) as batcher:
        with queued(batcher, model, *(rows(13 if number == 40 else number + 100) for number in range(64))) as futures:
            pass
        for number, future in enumerate(futures):
            if number == 40:
                with pytest.raises(ServerError, match="13 is unlucky"):
                    future.result(WAIT_S)
            else:
                assert future.result(WAIT_S)["y"].item() == 2 * (number + 100)
    assert len(model.sizes) == 2 + 2 * 6
