"""Metrics of a cache, read by prometheus-client's own parser."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from serving.embedded.cache.kept_rows import entry_bytes
from serving.embedded.operations.metrics import Metrics
from serving.embedded.operations.recorder import Recorder
from serving.embedded.server import Server
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer


def values_of(server: Server) -> dict[tuple[str, str], float]:
    """{(name, model): value} of all samples; the parser ends the names of all counters in `_total`."""
    text = Metrics(server._store, Recorder(), version="0").text().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, sample.labels.get("model", "")): sample.value for sample in samples}


def test_metrics_tell_what_the_cache_holds_and_saved(tmp_path: Path) -> None:
    """Entries, bytes and evictions of the cache; hits, misses and saved rows of each model."""
    publish_tiny(tmp_path / "repository")
    room = 3 * entry_bytes(bytes(16))
    with Server(tmp_path / "repository", grpc_port=0, cache_mb=room / 2**20) as server, client_of(server) as client:
        for rows in (noise(2), noise(4), noise(4)[2:]):
            infer(client, "tiny", {"image": rows})
        infer(client, "tiny_encoded", {"image": [png(noise(1)[0])]})
        values = values_of(server)
    of_cache = ("nv_cache_num_entries", "nv_cache_num_evictions", "nv_cache_util", "lookalike_cache_bytes")
    assert [values[name, ""] for name in of_cache] == [3, 2, 1, room]
    assert values["lookalike_cache_max_bytes", ""] == room
    of_model = ("nv_cache_num_hits_per_model", "nv_cache_num_misses_per_model", "lookalike_cached_rows")
    assert [values[f"{name}_total", "tiny"] for name in of_model] == [1, 2, 4]
    assert [values[f"{name}_total", "tiny_encoded"] for name in of_model] == [0, 1, 0]


def test_server_without_a_cache_has_no_metrics_of_one(tmp_path: Path) -> None:
    """Nobody is told of a cache of no bytes."""
    publish_tiny(tmp_path / "repository")
    with Server(tmp_path / "repository", grpc_port=0) as server:
        names = {name for name, _ in values_of(server)}
    assert "nv_inference_count_total" in names
    assert not {name for name in names if name.startswith(("nv_cache_util", "lookalike_cache"))}
