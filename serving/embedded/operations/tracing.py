"""Spans of requests by OpenTelemetry, an extra (`pip install lookalike[tracing]`); loaded only where it is asked for.

A request's span and those in it (decode, queue, compute) are made when it has ended, from the moments that are noted
anyway: while it runs, tracing costs nothing. A caller that sends W3C's `traceparent` is the parent, and whether he is
sampled decides; else the ratio does.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from artifact.errors import UsageError
from serving.embedded.operations.recorder import Seen

_SEND_S = 2
_FLUSH_MS = 2000


class Tracing:
    """Spans of all requests, sent away in the background.

    Args:
        endpoint: URL of an OTLP receiver over gRPC, as http://127.0.0.1:4317; https:// is in TLS.
        ratio: share of the requests without a parent that are sampled, 0 to 1.
        version: of the server.
        exporter: what spans are sent by, in the place of OTLP's.

    Raises:
        UsageError: the extra is not installed.
    """

    def __init__(self, endpoint: str, *, ratio: float, version: str, exporter: Any = None) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
            from opentelemetry.trace import SpanKind, Status, StatusCode
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise UsageError(
                "trace_endpoint", expected="OpenTelemetry", got=str(error), mend="pip install 'lookalike[tracing]'"
            ) from None
        resource = Resource.create({"service.name": "lookalike", "service.version": version})
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=resource, shutdown_on_exit=False
        )
        exporter = exporter or OTLPSpanExporter(endpoint, insecure=not endpoint.startswith("https://"), timeout=_SEND_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("lookalike", version)
        self._parents: Any = TraceContextTextMapPropagator()
        self._server, self._failed = SpanKind.SERVER, partial(Status, StatusCode.ERROR)

    def note(self, seen: Seen) -> None:
        """The spans of one request."""
        times = seen.timings
        offset_ns = time.time_ns() - time.perf_counter_ns()
        parent = self._parents.extract(dict(seen.origin.headers()))
        facts: dict[str, Any] = {
            "lookalike.model": seen.model[:256],
            "lookalike.version": seen.version,
            "lookalike.rows": times.num_rows,
            "lookalike.request_id": seen.id,
            "lookalike.code": seen.code,
            "network.transport": seen.origin.transport,
        }
        span = self._tracer.start_span(
            "request", parent, kind=self._server, attributes=facts, start_time=offset_ns + times.begun_ns
        )
        if span.is_recording():
            if seen.code != "OK":
                span.set_status(self._failed(seen.text[:256]))
            inside = _inside(span)
            for name, begun_ns, ended_ns in (
                ("decode", times.decode_ns, times.decoded_ns),
                ("queue", times.queued_ns, times.run_ns),
                ("compute", times.run_ns, times.ran_ns),
            ):
                if ended_ns:
                    part = self._tracer.start_span(name, inside, start_time=offset_ns + begun_ns)
                    part.end(offset_ns + ended_ns)
        span.end(offset_ns + seen.ended_ns)

    def close(self) -> None:
        """Send what is left, for at most two seconds, and end the thread."""
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()


def _inside(span: Any) -> Any:
    """A context in which a span is the parent."""
    from opentelemetry.trace import set_span_in_context

    return set_span_in_context(span)
