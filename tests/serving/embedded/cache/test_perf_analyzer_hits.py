"""Real perf_analyzer against a server with a cache: it knows of the cache, and counts its hits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from serving.embedded.server import Server
from tests.shared.perf_analyzer import analyze, unavailable, write_data
from tests.shared.pictures import noise
from tests.shared.tiny_artifact import publish_tiny

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "")


@pytest.mark.slow
@pytest.mark.parametrize("size_mb", [0, 1])
def test_perf_analyzer_counts_hits(tmp_path: Path, size_mb: int) -> None:
    """With a cache, requests for three images hit but for three, and no run's time is made up; without, no hit is."""
    publish_tiny(tmp_path / "repository")
    data = write_data(tmp_path / "data.json", [{"image": row} for row in noise(3)])
    with Server(tmp_path / "repository", grpc_port=0, cache_mb=size_mb) as server:
        report = analyze(server.url, "tiny", data, concurrency=2, num_requests=200)
    found = re.search(r"Cache hit count: (\d+)", report.text)
    assert "Response Cache is disabled" not in report.text
    assert (found is not None and int(found[1]) >= 190) == bool(size_mb), report.text
