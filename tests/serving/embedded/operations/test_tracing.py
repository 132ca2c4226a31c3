"""Spans: of every request and its parts, under the caller's; to a real OTLP receiver; and nothing where it is off."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.embedded.operations.recorder import Recorder
from serving.embedded.operations.tracing import Tracing
from serving.embedded.requests.origin import UNKNOWN
from serving.embedded.requests.timings import Timings
from serving.embedded.server import Server
from tests.shared.pictures import noise, png
from tests.shared.places import ROOT
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer, refusal

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracing") / "repository"
    publish_tiny(folder)
    return folder


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]  # generated, without types
    """An OTLP receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        self.spans += [one for of in request.resource_spans for scope in of.scope_spans for one in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def receiving() -> Iterator[tuple[str, Receiver]]:
    receiver, server = Receiver(), grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}", receiver
    finally:
        server.stop(0).wait()


def test_spans_of_requests_come_to_a_receiver(repository: Path) -> None:
    """Request > decode, queue, compute, within one another in time, under the caller's traceparent; when the server has
    stopped all have come. A caller that is not sampled is not traced."""
    with receiving() as (url, receiver):
        with Server(repository, grpc_port=0, trace_endpoint=url) as server, client_of(server) as client:
            for flags in ("01", "00"):
                parent = {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"}
                infer(client, "tiny_encoded", {"image": [png(noise(1)[0])]}, headers=parent, request_id="r1")
            refusal(lambda: infer(client, "nope", {"image": noise(1)}))
        spans = receiver.spans
    traced = {span.name: span for span in spans if span.trace_id.hex() == TRACE}
    assert sorted(traced) == ["compute", "decode", "queue", "request"]
    request = traced.pop("request")
    assert request.parent_span_id.hex() == PARENT
    order = [traced[name] for name in ("decode", "queue", "compute")]
    assert all(span.parent_span_id == request.span_id for span in order)
    times = [request.start_time_unix_nano]
    for span in order:
        times += [span.start_time_unix_nano, span.end_time_unix_nano]
    assert times == sorted(times)
    assert times[-1] <= request.end_time_unix_nano
    facts = {fact.key: fact.value.string_value or fact.value.int_value for fact in request.attributes}
    assert (facts["lookalike.model"], facts["lookalike.request_id"], facts["lookalike.rows"]) == (
        "tiny_encoded",
        "r1",
        1,
    )
    (failed,) = (span for span in spans if span.trace_id.hex() != TRACE)
    assert failed.status.message == "Request for unknown model: 'nope' is not found"
    assert (failed.status.code, failed.parent_span_id) == (2, b"")


def test_ratio_says_how_many_are_sampled() -> None:
    """None at 0, all at 1, of requests without a parent."""
    for ratio, expected in ((0.0, 0), (1.0, 5)):
        exporter, recorder = InMemorySpanExporter(), Recorder()
        tracing = Tracing("http://127.0.0.1:1", ratio=ratio, version="0", exporter=exporter)
        recorder.watch(tracing.note)
        for _ in range(5):
            recorder.answered("tiny", 1, "", 1, UNKNOWN, Timings())
        tracing.close()
        assert len(exporter.get_finished_spans()) == expected


@pytest.mark.slow
def test_receiver_that_is_not_there_stops_nothing(repository: Path) -> None:
    """Requests are answered as ever, and the server stops within seconds."""
    with Server(repository, grpc_port=0, trace_endpoint="http://127.0.0.1:9") as server, client_of(server) as client:
        infer(client, "tiny", {"image": noise(1)})
    assert not [one for one in threading.enumerate() if one.name.startswith("lookalike")]


@pytest.mark.slow
def test_nothing_of_it_is_imported_where_it_is_off(repository: Path) -> None:
    """A server with metrics that answered a request has loaded no module of OpenTelemetry."""
    code = f"""
import sys
from serving.embedded.server import Server
from tests.shared.triton_client import client_of, infer
from tests.shared.pictures import noise
with Server({str(repository)!r}, grpc_port=0, http_port=0, metrics_port=0) as server, client_of(server) as client:
    infer(client, "tiny", {{"image": noise(1)}})
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr
