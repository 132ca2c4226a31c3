"""The recorder of requests: what it counts, whom it tells, and under which id."""

from __future__ import annotations

from collections import Counter

import numpy as np

from serving.embedded.operations.recorder import BOUNDS_S, REQUEST_ID, Recorder, Seen
from serving.embedded.requests.timings import Timings


class Origin:
    """A call with headers; notes what is told."""

    def __init__(self, transport: str = "grpc", **headers: str) -> None:
        self.transport, self.told = transport, dict[str, str]()
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def peer(self) -> str:
        return "peer"

    def headers(self) -> dict[str, str]:
        return self._headers

    def tell(self, name: str, value: str) -> None:
        self.told[name] = value


def took(seconds: float) -> Timings:
    """The timings of a request that began so long ago."""
    timings = Timings()
    timings.begun_ns -= int(seconds * 1e9)
    return timings


def test_recorder_counts_by_transport_and_code() -> None:
    """Every request once, its bytes by transport; what clients name is no key."""
    recorder = Recorder()
    for transport in ("grpc", "grpc", "http"):
        recorder.answered("tiny", 1, "", 10, Origin(transport), Timings())
    recorder.refused("made up", "7", "", 5, Origin("http"), Timings(), code="NOT_FOUND", text="no")
    assert recorder.requests == {("grpc", "OK"): 2, ("http", "OK"): 1, ("http", "NOT_FOUND"): 1}
    assert recorder.bytes == {"grpc": 20, "http": 15}
    assert list(recorder.durations) == ["tiny"]


def test_durations_fall_into_their_classes() -> None:
    """As NumPy's histogram puts them, for times between the bounds and beyond the last."""
    recorder = Recorder()
    seconds = [0.0005, 0.002, 0.002, 0.04, 0.3, 9.0, 11.0, 100.0]
    for each in seconds:
        recorder.answered("tiny", 1, "", 1, Origin(), took(each))
    expected, _ = np.histogram(seconds, [0.0, *BOUNDS_S, np.inf])
    assert recorder.durations["tiny"].counts == expected.tolist()
    assert abs(recorder.durations["tiny"].ns / 1e9 - sum(seconds)) < 1.0


def test_id_is_that_of_the_header_or_of_the_request_or_made() -> None:
    """It is told back, bounded; ids that are made differ; a stream's header is not its requests'."""
    recorder, seen = Recorder(), list[Seen]()
    recorder.watch(seen.append)
    origins = [
        Origin(x_request_id="header"),
        Origin(),
        Origin("stream", x_request_id="header"),
        Origin(x_request_id="x" * 500),
        Origin(),
        Origin(),
    ]
    for origin, given in zip(origins, ("given", "given", "given", "", "", ""), strict=True):
        recorder.answered("tiny", 1, given, 1, origin, Timings())
    assert [each.id for each in seen[:4]] == ["header", "given", "given", "x" * 128]
    assert [origin.told[REQUEST_ID] for origin in origins] == [each.id for each in seen]
    assert len({each.id for each in seen[4:]}) == 2
    assert Counter(each.code for each in seen) == {"OK": 6}


def test_faults_are_told_to_those_who_want_no_more() -> None:
    """A refusal by a fault of the server's own, and no other; without any watcher no header is read."""
    recorder, faults = Recorder(), list[Seen]()
    recorder.watch_faults(faults.append)
    origin = Origin()
    recorder.answered("tiny", 1, "", 1, origin, Timings())
    recorder.refused("tiny", "", "", 1, origin, Timings(), code="NOT_FOUND", text="")
    assert (faults, origin.told) == ([], {})
    recorder.refused("tiny", "", "4", 1, origin, Timings(), code="INTERNAL", text="internal error: X")
    assert [(each.id, each.text) for each in faults] == [("4", "internal error: X")]
