"""The recorder of requests: told once of each, it counts them and tells those who want to see every one.

What the models count of themselves (batching/statistics.py) is not counted again. Decisions a reader would question:
- A request costs one lock and a few additions; headers, identifiers and addresses are read only where somebody watches.
- Nothing that a client can make up is a key: counters are by transport and code, durations by names that are served.
- A request's id is the header `x-request-id`, else the id in the request, else one made here; it is told back in the
  same header wherever requests are watched. A stream's header is of the stream and not of its requests, and not taken.
"""

from __future__ import annotations

import secrets
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from serving.embedded.requests.origin import Origin
from serving.embedded.requests.timings import Timings

REQUEST_ID = "x-request-id"
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the classes of the histogram of durations, in seconds."""
_BOUNDS_NS = [int(bound * 1e9) for bound in BOUNDS_S]
_LONGEST_ID = 128


@dataclass(frozen=True)
class Seen:
    """One request that was answered or refused.

    Attributes:
        model: the name that it gave; `version` is the one that answered, or the one that it named.
        id: see the module; untrusted.
        code: `OK`, or the name of the refusal's code; `text` is what the client was told.
        num_bytes: of the request.
        ended_ns: when, on the clock of `timings`.
    """

    model: str
    version: str
    id: str
    code: str
    text: str
    num_bytes: int
    origin: Origin
    timings: Timings
    ended_ns: int


@dataclass
class Durations:
    """A histogram: how many requests fell into each class, the last one without a bound; and all their nanoseconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS_NS) + 1))
    ns: int = 0


Watcher = Callable[[Seen], None]


class Recorder:
    """Counts requests; safe to use from any thread.

    Attributes, to be read under `lock`:
        requests: {(transport, code): requests}.
        bytes: {transport: bytes of requests}.
        durations: {served name: durations of the requests that it answered}.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: dict[tuple[str, str], int] = defaultdict(int)
        self.bytes: dict[str, int] = defaultdict(int)
        self.durations: dict[str, Durations] = defaultdict(Durations)
        self._watchers: list[Watcher] = []
        self._fault_watchers: list[Watcher] = []

    def watch(self, call: Watcher) -> None:
        """Have a function told of every request from now on; it must be quick and must not raise."""
        self._watchers.append(call)
        self._fault_watchers.append(call)

    def watch_faults(self, call: Watcher) -> None:
        """Have a function told of the requests that were refused by a fault of the server's own (INTERNAL)."""
        self._fault_watchers.append(call)

    def answered(
        self, model: str, version: int, request_id: str, num_bytes: int, origin: Origin, timings: Timings
    ) -> None:
        """A request was answered by a version."""
        ended_ns = time.perf_counter_ns()
        took_ns = ended_ns - timings.begun_ns
        with self.lock:
            self.requests[origin.transport, "OK"] += 1
            self.bytes[origin.transport] += num_bytes
            durations = self.durations[model]
            durations.counts[bisect_left(_BOUNDS_NS, took_ns)] += 1
            durations.ns += took_ns
        if self._watchers:
            self._tell(self._watchers, model, str(version), request_id, "OK", "", num_bytes, origin, timings, ended_ns)

    def refused(
        self,
        model: str,
        version: str,
        request_id: str,
        num_bytes: int,
        origin: Origin,
        timings: Timings,
        *,
        code: str,
        text: str,
    ) -> None:
        """A request was refused, with a code's name and the text that the client is told."""
        with self.lock:
            self.requests[origin.transport, code] += 1
            self.bytes[origin.transport] += num_bytes
        watchers = self._fault_watchers if code == "INTERNAL" else self._watchers
        if watchers:
            ended_ns = time.perf_counter_ns()
            self._tell(watchers, model, version, request_id, code, text, num_bytes, origin, timings, ended_ns)

    def _tell(
        self,
        watchers: list[Watcher],
        model: str,
        version: str,
        request_id: str,
        code: str,
        text: str,
        num_bytes: int,
        origin: Origin,
        timings: Timings,
        ended_ns: int,
    ) -> None:
        if origin.transport != "stream":
            request_id = origin.headers().get(REQUEST_ID) or request_id
        request_id = (request_id or secrets.token_hex(8))[:_LONGEST_ID]
        origin.tell(REQUEST_ID, request_id)
        seen = Seen(model, version, request_id, code, text, num_bytes, origin, timings, ended_ns)
        for call in watchers:
            call(seen)
