"""Processor time that watching costs a request: the recorder alone, as always, and with a log line or spans of each.

What a front does for it is included: the origin of the call, its moments, and the note of its end. The models' own
counters are not: they are there without any metrics. A text of metrics is measured apart, for a server of many models.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.embedded.operations.log import Log
from serving.embedded.operations.noting import RequestNotes
from serving.embedded.operations.recorder import Recorder
from serving.embedded.operations.tracing import Tracing
from serving.embedded.over_grpc.calls import Calls
from serving.embedded.over_grpc.origin import GrpcOrigin
from serving.embedded.requests.timings import Timings

ROUNDS, REQUESTS = 7, 20_000


class _Context:
    """What of grpcio's context is used, without gRPC: its own cost is not that of watching."""

    def add_callback(self, call: Callable[[], None]) -> bool:
        self.ended = call
        return True

    def peer(self) -> str:
        return "ipv4:127.0.0.1:40000"

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("user-agent", "grpc-python/1.76"), ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"))

    def set_trailing_metadata(self, metadata: object) -> None:
        self.told = metadata


def run() -> dict[str, Any]:
    log = Log(lambda line: None)
    tracing = Tracing("http://127.0.0.1:1", ratio=1.0, version="0", exporter=InMemorySpanExporter())
    recorders = {name: Recorder() for name in ("recorder", "with_log", "with_spans")}
    recorders["with_log"].watch(RequestNotes(log, every=True, slow_ms=None).note)
    recorders["with_spans"].watch(tracing.note)
    best = dict.fromkeys(recorders, float("inf"))
    for _ in range(ROUNDS):
        for name, recorder in recorders.items():
            best[name] = min(best[name], _us_a_request(recorder))
    tracing.close()
    return {f"{name}_us": round(us, 2) for name, us in best.items()} | {"requests": REQUESTS, "rounds": ROUNDS}


def _us_a_request(recorder: Recorder) -> float:
    calls, context = Calls(), _Context()
    started = time.process_time()
    for _ in range(REQUESTS):
        calls.begin(context)
        origin, timings = GrpcOrigin(context, "grpc"), Timings()
        timings.num_rows = 1
        timings.queued_ns = timings.run_ns = timings.ran_ns = timings.begun_ns
        recorder.answered("tiny", 1, "", 768, origin, timings)
        context.ended()
    return (time.process_time() - started) / REQUESTS * 1e6
