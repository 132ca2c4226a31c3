"""The metrics of a server's cache: what it keeps, by Triton's names where Triton has them, and the rows it saved.

Hits and misses of each model stand with its other counters (metrics.py). Triton's entries are answers, ours are rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.embedded.models.store import ModelStore


class CacheMetrics(Collector):
    """Of the cache of a store; nothing where it has none."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        if self._store.cache is None:
            return
        state = self._store.cache.state
        used = state.num_bytes / state.max_bytes if state.max_bytes else 0.0
        for name, text, value in (
            ("nv_cache_num_entries", "Number of rows stored in the cache", state.num_entries),
            ("nv_cache_num_evictions", "Number of rows that had to leave the cache", state.num_evicted),
            ("nv_cache_util", "Cache utilization [0.0 - 1.0]", used),
            ("lookalike_cache_bytes", "Bytes of the rows in the cache, with keys and bookkeeping", state.num_bytes),
            ("lookalike_cache_max_bytes", "Bytes that the cache may take", state.max_bytes),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        rows = CounterMetricFamily(
            "lookalike_cached_rows", "Rows that were answered without a run", labels=("model", "version")
        )
        for model, servable in self._store.servables():
            with servable.statistics.lock:
                rows.add_metric((model, str(servable.version)), servable.statistics.cached_rows)
        yield rows
