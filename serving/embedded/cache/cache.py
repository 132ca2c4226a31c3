"""A cache of the vectors of rows: what was computed is kept, and what is being computed is computed once.

Decisions a reader would question:
- Rows are kept, not answers: a request of which some rows are known runs the others, as one smaller request.
- A request waits only for rows that others compute after it has computed its own, so no two wait for each other.
- Rows are shared in flight by requests of the same priority and timeout alone: none waits in a slower lane for others.
- What fails is not kept. A fault of the row itself (an image that cannot be read; a run of it alone that failed) is
  told to all who asked for that row, each with its own row numbers, and to nobody else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from artifact.arrays import AnyArray
from artifact.errors import UnavailableError
from artifact.images.image_batch import BadImagesError
from serving.embedded.cache.flights import Flight, LetGo, Outcome
from serving.embedded.cache.kept_rows import KeptRows
from serving.embedded.cache.keys import RowKeys
from serving.embedded.cache.layout import Layout
from serving.embedded.requests.caller import Caller

Inputs = Mapping[str, AnyArray]
Run = Callable[[Inputs, int], Mapping[str, AnyArray]]


class CacheState(NamedTuple):
    """What is kept at a moment: entries, their bytes (keys and bookkeeping too), the bound, and how many had to go."""

    num_entries: int
    num_bytes: int
    max_bytes: int
    num_evicted: int


@dataclass
class Lookup:
    """What became of a request in the cache.

    Attributes:
        num_run: rows that were computed for this very request; the others were kept, or computed for others.
        ns: nanoseconds of hashing, looking up and keeping.
    """

    num_run: int = 0
    ns: int = 0


class _Claim(NamedTuple):
    """Rows by key: those that are there, those to compute, those that others compute."""

    found: dict[bytes, bytes]
    led: dict[bytes, Flight]
    followed: dict[bytes, Flight]


class _Led(NamedTuple):
    """Rows that a request leads: their flights by key, their numbers in the request, and the lane."""

    flights: dict[bytes, Flight]
    rows: list[int]
    lane: object


class RowCache:
    """Rows of all models of a server, of at most `max_bytes`; safe to use from any thread."""

    def __init__(self, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._kept = KeptRows(max_bytes)
        self._flights: dict[object, Flight] = {}

    @property
    def state(self) -> CacheState:
        """What is kept now."""
        with self._lock:
            kept = self._kept
            return CacheState(len(kept), kept.num_bytes, kept.max_bytes, kept.num_evicted)

    def rows_of(self, facts: Mapping[str, Any], widths: Mapping[str, int]) -> CachedRows:
        """The rows that one way of computing gives.

        Args:
            facts: what they depend on, besides the row's bytes; equal facts share their rows.
            widths: {output: float32 numbers of a row}.
        """
        return CachedRows(self, RowKeys({**facts, "outputs": dict(widths)}), Layout(widths))

    def claim(self, keys: Sequence[bytes], lane: object, changed: threading.Event, *, alone: bool) -> _Claim:
        """Look rows up; those that are neither kept nor computed are now led by who asks.

        Args:
            lane: requests of the same lane share what is computed.
            changed: is set when a row that others compute comes to its end.
            alone: share nothing with others.
        """
        claim = _Claim({}, {}, {})
        with self._lock:
            for key in keys:
                row = self._kept.get(key)
                flight = None if alone else self._flights.get((key, lane))
                if row is not None:
                    claim.found[key] = row
                elif flight is not None:
                    flight.join(changed)
                    claim.followed[key] = flight
                else:
                    claim.led[key] = Flight()
                    self._flights.setdefault((key, lane), claim.led[key])
        return claim

    def end(self, led: Mapping[bytes, Flight], lane: object, outcomes: Sequence[Outcome]) -> None:
        """Rows that were led have come to their ends; vectors are kept."""
        with self._lock:
            for (key, flight), outcome in zip(led.items(), outcomes, strict=True):
                if isinstance(outcome, bytes):
                    self._kept.put(key, outcome)
                if self._flights.get((key, lane)) is flight:
                    del self._flights[key, lane]
                flight.end(outcome)


class CachedRows:
    """The rows of a cache that one way of computing gives."""

    def __init__(self, cache: RowCache, keys: RowKeys, layout: Layout) -> None:
        self._cache, self._keys, self._layout = cache, keys, layout

    def answer(self, inputs: Inputs, num_rows: int, run: Run, *, caller: Caller, lookup: Lookup) -> dict[str, AnyArray]:
        """{output: float32 [N, width]} of N rows, of which those that are not known are run.

        Args:
            inputs: {input: [N, ...]} in the model's order.
            run: computes so many rows.
            caller: who waits.
            lookup: is told what became of it, also where it fails.

        Raises:
            BadImagesError: naming every bad row.
            UnavailableError: nobody waits any more; and whatever `run` raises.
        """
        start_ns = time.perf_counter_ns()
        keys = self._keys.of(inputs, num_rows)
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        found: dict[bytes, bytes] = {}
        bad: dict[bytes, BadImagesError] = {}
        lane, alone, changed = (caller.priority, caller.timeout_us), False, threading.Event()
        pending = list(dict.fromkeys(keys))
        while pending:
            claim = self._cache.claim(pending, lane, changed, alone=alone)
            found |= claim.found
            lookup.ns += time.perf_counter_ns() - start_ns
            outcomes: dict[bytes, Outcome] = {}
            if claim.led:
                led = _Led(claim.led, [first[key] for key in claim.led], lane)
                outcomes |= self._lead(led, inputs, num_rows, run, caller, lookup)
            if claim.followed:
                caller.presence.when_gone(changed.set)
                outcomes |= {key: flight.wait(changed, caller.presence) for key, flight in claim.followed.items()}
            start_ns = time.perf_counter_ns()
            pending = []
            for key, outcome in outcomes.items():
                if isinstance(outcome, bytes):
                    found[key] = outcome
                elif isinstance(outcome, BadImagesError):
                    bad[key] = outcome
                elif isinstance(outcome, Exception):
                    raise outcome
                elif key not in claim.led:
                    pending.append(key)
                    alone = alone or outcome is LetGo.LEFT
        if bad:
            raise _bad_rows(keys, bad, num_images=num_rows * len(inputs))
        arrays = self._layout.arrays([found[key] for key in keys])
        lookup.ns += time.perf_counter_ns() - start_ns
        return arrays

    def _lead(
        self, led: _Led, inputs: Inputs, num_rows: int, run: Run, caller: Caller, lookup: Lookup
    ) -> dict[bytes, Outcome]:
        """Compute rows for all who wait for them."""
        num_led = len(led.rows)
        outcomes: list[Outcome] = [LetGo.HANDED_OVER] * num_led
        try:
            lookup.num_run += num_led
            arrays = run(_taken(inputs, led.rows, num_rows), num_led)
            kept_ns = time.perf_counter_ns()
            outcomes = [*self._layout.rows(arrays, num_led)]
            lookup.ns += time.perf_counter_ns() - kept_ns
        except BadImagesError as error:
            for row in {row for row, _, _ in error.bad}:
                outcomes[row] = BadImagesError([each for each in error.bad if each[0] == row], len(inputs))
        except Exception as error:
            if caller.presence.is_active():
                is_of_row = num_led == 1 and not isinstance(error, UnavailableError)
                outcomes = [error if is_of_row else LetGo.LEFT] * num_led
            raise
        finally:
            self._cache.end(led.flights, led.lane, outcomes)
        return dict(zip(led.flights, outcomes, strict=True))


def _taken(inputs: Inputs, rows: Sequence[int], num_rows: int) -> Inputs:
    """Some of the rows of a request, in their order; all of them as they are."""
    if list(rows) == list(range(num_rows)):
        return inputs
    return {name: array[list(rows)] for name, array in inputs.items()}


def _bad_rows(keys: Sequence[bytes], bad: Mapping[bytes, BadImagesError], num_images: int) -> BadImagesError:
    """What is said of a request with bad rows: each with the number that it has in this request."""
    named = [(row, stream, why) for row, key in enumerate(keys) if key in bad for _, stream, why in bad[key].bad]
    return BadImagesError(sorted(named), num_images)
