"""Rows that several requests ask for at the same time: computed once, whoever fails or goes away."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from artifact.errors import UnavailableError
from artifact.images.image_batch import BadImagesError
from serving.embedded.cache.kept_rows import entry_bytes
from serving.embedded.requests.caller import CANCELLED, PATIENT, Caller, Gone, Presence
from serving.protocol import QUEUE_FULL
from tests.shared.cached_sums import UNLUCKY, UNREADABLE, Sums
from tests.shared.waiting import WAIT_S, eventually


class Client:
    """A client that can go away."""

    def __init__(self) -> None:
        self._is_there, self._calls = True, list[Gone]()
        self.caller = Caller(Presence(lambda: self._is_there, self._calls.append))

    def leave(self) -> None:
        self._is_there = False
        for call in self._calls:
            call()


class Crowd:
    """Requests in threads of their own, made one after the other while all runs are held."""

    def __init__(self, sums: Sums, pool: ThreadPoolExecutor) -> None:
        self._sums, self._pool = sums, pool

    def leads(self, *values: int, caller: Caller = PATIENT) -> Future[Any]:
        """A request whose run has begun."""
        begun = len(self._sums.runs)
        future = self._pool.submit(self._sums, values, caller)
        eventually(lambda: len(self._sums.runs) > begun, "its run")
        return future

    def follows(self, *values: int, caller: Caller = PATIENT) -> Future[Any]:
        """A request that waits for rows of others."""
        waiting = self._sums.num_waiting
        future = self._pool.submit(self._sums, values, caller)
        eventually(lambda: self._sums.num_waiting > waiting, "its waiting")
        return future


@contextmanager
def held(sums: Sums) -> Iterator[Crowd]:
    """A crowd before a cache whose runs are held, until `go` is set or the context ends."""
    sums.go.clear()
    with ThreadPoolExecutor(70) as pool:
        try:
            yield Crowd(sums, pool)
        finally:
            sums.go.set()


def test_row_in_flight_is_computed_once() -> None:
    """Eight requests for a row that is being computed get its answer from one run."""
    sums = Sums()
    with held(sums) as crowd:
        futures = [crowd.leads(5), *(crowd.follows(5) for _ in range(7))]
        sums.go.set()
        assert [future.result(WAIT_S) for future in futures] == [sums.plain([5])] * 8
    assert sums.runs == [[5]]


def test_overlapping_requests_share_what_they_have_in_common() -> None:
    """A request runs the rows that nobody computes and waits for the others; also where it repeats them."""
    sums = Sums()
    with held(sums) as crowd:
        futures = [crowd.leads(1, 2), crowd.follows(3, 2, 2, 4), crowd.follows(4, 1)]
        sums.go.set()
        answers = [future.result(WAIT_S) for future in futures]
    assert answers == [sums.plain(values) for values in ([1, 2], [3, 2, 2, 4], [4, 1])]
    assert sums.runs == [[1, 2], [3, 4]]


def test_row_in_flight_needs_no_room_in_the_cache() -> None:
    """Also where nothing can be kept, what is asked for at the same time is computed once."""
    sums = Sums(0)
    with held(sums) as crowd:
        futures = [crowd.leads(5), crowd.follows(5)]
        sums.go.set()
        assert [future.result(WAIT_S) for future in futures] == [sums.plain([5])] * 2
    assert sums.runs == [[5]]


def test_fault_of_a_row_is_told_to_those_who_asked_for_it() -> None:
    """A row that breaks its run fails for all who wait for it, for nobody else, and is tried again later."""
    sums = Sums()
    with held(sums) as crowd:
        failing = [crowd.leads(UNLUCKY), crowd.follows(UNLUCKY), crowd.follows(1, UNLUCKY)]
        other = crowd.leads(2)
        sums.go.set()
        for future in failing:
            with pytest.raises(ValueError, match="13 is unlucky"):
                future.result(WAIT_S)
        assert other.result(WAIT_S) == sums.plain([2])
        assert sorted(sums.runs) == [[1], [2], [UNLUCKY]]
        with pytest.raises(ValueError, match="13 is unlucky"):
            sums([UNLUCKY])


def test_neighbours_of_a_fault_are_computed_anew() -> None:
    """Where a run of several rows breaks, who waits for another of them gets it from a run without the fault."""
    sums = Sums()
    with held(sums) as crowd:
        failing, waiting = crowd.leads(1, UNLUCKY), [crowd.follows(1), crowd.follows(3, 1)]
        sums.go.set()
        with pytest.raises(ValueError, match="13 is unlucky"):
            failing.result(WAIT_S)
        assert [future.result(WAIT_S) for future in waiting] == [sums.plain([1]), sums.plain([3, 1])]


def test_bad_image_has_the_row_number_of_each_request() -> None:
    """An image that cannot be read is named to all who sent it, by its place in their request, and spoils no other."""
    sums = Sums()
    with held(sums) as crowd:
        first = crowd.leads(UNREADABLE, 1)
        second, third = crowd.follows(2, 2, UNREADABLE), crowd.follows(1)
        sums.go.set()
        for future, row, num_rows in ((first, 0, 2), (second, 2, 3)):
            with pytest.raises(BadImagesError) as refused:
                future.result(WAIT_S)
            assert str(refused.value) == str(BadImagesError([(row, "x", "no image")], num_rows))
        assert third.result(WAIT_S) == sums.plain([1])
    assert sorted(sums.runs) == [[1], [2], [UNREADABLE, 1]]


def test_leader_that_goes_away_hands_over() -> None:
    """Its run is given up, one of those who wait leads on, and the others still wait: computed once in the end."""
    sums, leaving = Sums(), Client()
    with held(sums) as crowd:
        gone = crowd.leads(5, caller=leaving.caller)
        waiting = [crowd.follows(5) for _ in range(4)]
        leaving.leave()
        with pytest.raises(UnavailableError, match="cancelled"):
            gone.result(WAIT_S)
        eventually(lambda: (len(sums.runs), sums.num_waiting) == (2, 3), "another leader")
        sums.go.set()
        assert [future.result(WAIT_S) for future in waiting] == [sums.plain([5])] * 4
    assert sums.runs == [[5], [5]]


def test_follower_that_goes_away_leaves_at_once() -> None:
    """Nobody waits longer than its client: the run goes on for the others."""
    sums, leaving = Sums(), Client()
    with held(sums) as crowd:
        first = crowd.leads(5)
        gone, other = crowd.follows(5, caller=leaving.caller), crowd.follows(5)
        leaving.leave()
        with pytest.raises(UnavailableError) as refused:
            gone.result(WAIT_S)
        assert str(refused.value) == CANCELLED
        assert not first.done()
        sums.go.set()
        assert first.result(WAIT_S) == other.result(WAIT_S) == sums.plain([5])
    assert sums.runs == [[5]]


def test_refusal_of_the_leader_is_nobody_elses() -> None:
    """Those who wait for a request that the queue refuses run for themselves, and get what the queue says to them."""
    sums, refused = Sums(), Sums()
    run, full = sums._run, [True]

    def refuse_first(caller: Caller, inputs: Any, num_rows: int) -> dict[str, np.ndarray]:
        is_first, full[0] = full[0], False
        answer = run(caller, inputs, num_rows)
        if is_first:
            raise UnavailableError(QUEUE_FULL)
        return answer

    sums._run = refuse_first  # type: ignore[method-assign]
    with held(sums) as crowd:
        first, waiting = crowd.leads(5), [crowd.follows(5) for _ in range(3)]
        sums.go.set()
        with pytest.raises(UnavailableError, match=QUEUE_FULL):
            first.result(WAIT_S)
        assert [future.result(WAIT_S) for future in waiting] == [refused.plain([5])] * 3
    assert len(sums.runs) <= 4


@pytest.mark.parametrize("other", [Caller(priority=1), Caller(timeout_us=10)])
def test_lanes_of_the_queue_share_nothing_in_flight(other: Caller) -> None:
    """A request of another priority or timeout does not wait for one that may wait longer than it would."""
    sums = Sums()
    with held(sums) as crowd:
        futures = [crowd.leads(5), crowd.leads(5, caller=other), crowd.follows(5, caller=other)]
        sums.go.set()
        assert [future.result(WAIT_S) for future in futures] == [sums.plain([5])] * 3
    assert sums.runs == [[5], [5]]
    assert sums([5]) == sums.plain([5])
    assert len(sums.runs) == 2


def test_64_threads_get_what_one_would() -> None:
    """Random requests with faults and leaving clients from 64 threads, in a cache that evicts: every answer is right.

    Nothing is left in flight, and where all is kept and nothing fails, each row was computed once.
    """
    num_rows = 40

    def ask(sums: Sums, seed: int, clean: bool) -> None:
        drawn = random.Random(seed)
        for _ in range(40):
            values = [drawn.randrange(num_rows) for _ in range(drawn.randint(1, 6))]
            client = Client()
            if clean:
                values = [value if value != UNLUCKY else 0 for value in values]
            elif drawn.random() < 0.2:
                client.leave()
            try:
                assert sums(values, client.caller) == sums.plain(values)
                assert UNLUCKY not in values
            except ValueError:
                assert UNLUCKY in values
            except UnavailableError:
                assert not client.caller.presence.is_active()

    for sums, clean in ((Sums(10 * entry_bytes(bytes(8))), False), (Sums(), True)):
        with ThreadPoolExecutor(64) as pool:
            for future in [pool.submit(ask, sums, seed, clean) for seed in range(64)]:
                future.result(3 * WAIT_S)
        assert not sums.cache._flights
        if clean:
            assert Counter(_flat(sums.runs)) == Counter(value for value in range(num_rows) if value != UNLUCKY)
        else:
            assert sums.cache.state.num_entries <= 10
            assert sums.cache.state.num_evicted > 0


def _flat(runs: Sequence[Sequence[int]]) -> list[int]:
    return [value for run in runs for value in run]
