"""The metrics of a server in Prometheus' text: Triton's by their names, labels and units, and our own.

Everything is read when it is asked for: from the statistics of the models, the recorder and the store. Only names that
are served are labels. Triton's counters do not end in `_total`, which prometheus-client insists on; so their heads are
put right in its text.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version as installed

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from artifact.repository.triton_config import DECODE_SUFFIX
from serving.embedded.batching.statistics import REASONS, Statistics
from serving.embedded.models.store import ModelStore
from serving.embedded.operations.cache_metrics import CacheMetrics
from serving.embedded.operations.machine import Machine, memory_bytes
from serving.embedded.operations.recorder import BOUNDS_S, Recorder

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_OF_MODEL = ("model", "version")
_HEADS = re.compile(rb"^(# (?:HELP|TYPE) nv_\w+)_total ", re.MULTILINE)

_COUNTERS: dict[str, tuple[str, Callable[[Statistics], float]]] = {
    "nv_inference_request_success": (
        "Number of successful inference requests, all batch sizes",
        lambda of: of.success.count,
    ),
    "nv_inference_count": (
        "Number of inferences performed (does not include cached requests)",
        lambda of: of.inference_count,
    ),
    "nv_inference_exec_count": (
        "Number of model executions performed (does not include cached requests)",
        lambda of: of.execution_count,
    ),
    "nv_inference_request_duration_us": (
        "Cumulative inference request duration in microseconds (includes cached requests)",
        lambda of: of.success.ns // 1000,
    ),
    "nv_inference_queue_duration_us": (
        "Cumulative inference queuing duration in microseconds (includes cached requests)",
        lambda of: of.queue.ns // 1000,
    ),
    "nv_inference_compute_input_duration_us": (
        "Cumulative compute input duration in microseconds (does not include cached requests)",
        lambda of: of.requests.compute_input.ns // 1000,
    ),
    "nv_inference_compute_infer_duration_us": (
        "Cumulative compute inference duration in microseconds (does not include cached requests)",
        lambda of: of.requests.compute_infer.ns // 1000,
    ),
    "nv_inference_compute_output_duration_us": (
        "Cumulative inference compute output duration in microseconds (does not include cached requests)",
        lambda of: of.requests.compute_output.ns // 1000,
    ),
    "nv_cache_num_hits_per_model": ("Number of cache hits per model", lambda of: of.cache_hit.count),
    "nv_cache_num_misses_per_model": ("Number of cache misses per model", lambda of: of.cache_miss.count),
    "nv_cache_hit_duration_per_model": (
        "Total cache hit duration per model, in microseconds",
        lambda of: of.cache_hit.ns // 1000,
    ),
    "nv_cache_miss_duration_per_model": (
        "Total cache miss (insert + lookup) duration per model, in microseconds",
        lambda of: of.cache_miss.ns // 1000,
    ),
}
"""Triton's counters of a version: what it says of each, and where it stands in the statistics."""


class Metrics:
    """The metrics of one server.

    Args:
        store: its models.
        recorder: its requests.
        version: of the server.
    """

    def __init__(self, store: ModelStore, recorder: Recorder, *, version: str) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Models(store))
        self._registry.register(CacheMetrics(store))
        self._registry.register(_Requests(store, recorder))
        self._registry.register(_Machine(version))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of them, as CONTENT_TYPE says."""
        return _HEADS.sub(rb"\1 ", generate_latest(self._registry))


class _Models(Collector):
    """What the versions that answer have counted."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        served = self._store.servables()
        for name, (text, read) in _COUNTERS.items():
            values = []
            for model, servable in served:
                with servable.statistics.lock:
                    values.append(((model, str(servable.version)), read(servable.statistics)))
            yield _tritons(name, text, _OF_MODEL, values)
        failures = []
        for model, servable in served:
            with servable.statistics.lock:
                counts = dict(servable.statistics.failures)
            failures += [((model, why, str(servable.version)), counts[why]) for why in REASONS]
        text = "Number of failed inference requests, all batch sizes"
        yield _tritons("nv_inference_request_failure", text, ("model", "reason", "version"), failures)
        text = "Instantaneous number of pending requests awaiting execution per-model."
        pending = GaugeMetricFamily("nv_inference_pending_request_count", text, labels=_OF_MODEL)
        text = "Versions that answer, with the digests of their artifacts"
        info = GaugeMetricFamily("lookalike_model_info", text, labels=(*_OF_MODEL, "digest"))
        decoded = CounterMetricFamily("lookalike_images_decoded", "Encoded images that were decoded", labels=["model"])
        bad = CounterMetricFamily("lookalike_images_bad", "Encoded images that could not be read", labels=["model"])
        for model, servable in served:
            pending.add_metric((model, str(servable.version)), servable.num_pending)
            info.add_metric((model, str(servable.version), servable.digest), 1)
            if servable.images_a_row:
                of = servable.statistics
                name = model.removesuffix(DECODE_SUFFIX)
                decoded.add_metric((name,), of.inference_count * servable.images_a_row)
                bad.add_metric((name,), of.bad_images)
        yield from (pending, info, decoded, bad)


class _Requests(Collector):
    """What came to the server, and what is in it."""

    def __init__(self, store: ModelStore, recorder: Recorder) -> None:
        self._store, self._recorder = store, recorder

    def collect(self) -> Iterator[Metric]:
        recorder = self._recorder
        with recorder.lock:
            requests, sizes = dict(recorder.requests), dict(recorder.bytes)
            durations = {model: (list(each.counts), each.ns) for model, each in recorder.durations.items()}
        counted = CounterMetricFamily(
            "lookalike_requests", "Requests for inferences by transport and outcome", labels=["transport", "code"]
        )
        for labels, count in sorted(requests.items()):
            counted.add_metric(labels, count)
        read = CounterMetricFamily("lookalike_request_bytes", "Bytes of requests for inferences", labels=["transport"])
        for transport, size in sorted(sizes.items()):
            read.add_metric((transport,), size)
        took = HistogramMetricFamily(
            "lookalike_request_duration_seconds", "From a request that was read to its answer", labels=["model"]
        )
        for model, (counts, ns) in sorted(durations.items()):
            took.add_metric((model,), _cumulated(counts), ns / 1e9)
        running, held = self._store.requests.now
        yield from (counted, read, took)
        yield GaugeMetricFamily("lookalike_running_requests", "Requests in the server", value=running)
        yield GaugeMetricFamily("lookalike_running_bytes", "Bytes of the requests in the server", value=held)
        yield GaugeMetricFamily(
            "lookalike_ready", "1 while the server is ready, as its health says", value=self._store.is_ready
        )


class _Machine(Collector):
    """The machine as Triton tells it, and what runs on it."""

    def __init__(self, version: str) -> None:
        self._machine, self._version = Machine(), version

    def collect(self) -> Iterator[Metric]:
        if (share := self._machine.utilization()) is not None:
            yield GaugeMetricFamily("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", value=share)
        if (memory := memory_bytes()) is not None:
            total, used = memory
            yield GaugeMetricFamily("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes", value=total)
            yield GaugeMetricFamily("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes", value=used)
        build = GaugeMetricFamily(
            "lookalike_build_info", "What the server is made of", labels=["version", "python", "onnxruntime", "grpcio"]
        )
        build.add_metric((self._version, platform.python_version(), _onnxruntime(), installed("grpcio")), 1)
        yield build


def _tritons(name: str, text: str, labels: Iterable[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    """A counter whose samples have no `_total`."""
    metric, names = Metric(name, text, "counter"), tuple(labels)
    for labelled, value in values:
        metric.add_sample(name, dict(zip(names, labelled, strict=True)), value)
    return metric


def _cumulated(counts: list[int]) -> list[tuple[str, float]]:
    """The classes of a histogram as Prometheus has them: how many took so long at most."""
    total, classes = 0, []
    for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], counts, strict=True):
        total += count
        classes.append((bound, float(total)))
    return classes


def _onnxruntime() -> str:
    import onnxruntime  # loaded long before anybody asks for metrics

    return str(onnxruntime.__version__)
