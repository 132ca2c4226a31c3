"""Real perf_analyzer, unchanged, against the embedded server: every way it has of sending, and the answers it got."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from serving.embedded.server import Server
from tests.shared.conformance.served import BRANCH, FULL, column, publish_models
from tests.shared.perf_analyzer import Report, analyze, read_exchanges, unavailable, write_data
from tests.shared.pictures import pictures

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "")
NUM_REQUESTS = 40
WAYS: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "unary": ("grpc", False, ()),
    "unary without waiting": ("grpc", False, ("--async",)),
    "streaming": ("grpc", True, ()),
    "compressed": ("grpc", False, ("--grpc-compression-algorithm=gzip",)),
    "http": ("http", False, ()),
    "http without waiting": ("http", False, ("--async",)),
    "http in json": ("http", False, ("--input-tensor-format=json", "--output-tensor-format=json")),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The models of the conformance tests on both fronts."""
    with Server(publish_models(tmp_path_factory.mktemp("models")), grpc_port=0, http_port=0) as started:
        yield started


def url(server: Server, protocol: str) -> str:
    return server.url if protocol == "grpc" else str(server.http_url)


@pytest.mark.parametrize("way", WAYS)
def test_perf_analyzer_gets_right_answers(server: Server, tmp_path: Path, way: str) -> None:
    """Pixels go in, as many requests as asked for are answered, and every answer is the vector of its pixels."""
    protocol, is_streaming, more = WAYS[way]
    rows = [{"image": noise} for noise in np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), np.uint8)]
    export = tmp_path / "exchanges.json"
    report = analyze(
        url(server, protocol),
        "pets",
        write_data(tmp_path / "data.json", rows),
        protocol=protocol,
        concurrency=4,
        is_streaming=is_streaming,
        num_requests=NUM_REQUESTS,
        more=(*more, f"--profile-export-file={export}"),
    )
    require_whole(report)
    exchanges = read_exchanges(export)
    assert len(exchanges) == NUM_REQUESTS
    for exchange in exchanges:
        pixels = np.array(exchange.inputs["image"], np.uint8).reshape(1, 8, 8, 3)
        expected = BRANCH.outputs({"image": pixels})["embedding"][0]
        np.testing.assert_allclose(exchange.outputs["embedding"], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_perf_analyzer_sends_encoded_images_in_batches(server: Server, tmp_path: Path, protocol: str) -> None:
    """Images of any length as BYTES, four a request, at a rate instead of a concurrency."""
    rows = [{"image": column([image])[0]} for image in list(pictures().values())[:8]]
    data = write_data(tmp_path / "data.json", rows)
    report = analyze(
        url(server, protocol), "pets_encoded", data, protocol=protocol, batch=4, rate=40, num_requests=NUM_REQUESTS
    )
    require_whole(report)


def test_perf_analyzer_finds_inputs_without_being_told_shapes(server: Server, tmp_path: Path) -> None:
    """Several inputs, random data of its own: metadata and config say all that it wants to know."""
    model = FULL[2]
    rows = [{stream: np.full((model.size, model.size, 3), 7, np.uint8) for stream in model.streams}]
    data = write_data(tmp_path / "data.json", rows)
    for source in (data, Path("random"), Path("zero")):
        require_whole(analyze(server.url, "quartets", source, num_requests=NUM_REQUESTS))


def test_perf_analyzer_measures_in_windows(server: Server, tmp_path: Path) -> None:
    """As the benchmarks use it: three windows, and what the server tells of its queue and its runs."""
    data = write_data(tmp_path / "data.json", [{"image": np.zeros((8, 8, 3), np.uint8)}])
    report = analyze(server.url, "pets", data, concurrency=2, window_s=0.2)
    require_whole(report, num_requests=2)
    assert report.rows_per_s > 1
    assert report.compute_ms > 0


def test_perf_analyzer_fails_where_the_server_refuses(server: Server, tmp_path: Path) -> None:
    """So that no figure of the benchmarks counts refusals: this is how they show."""
    data = write_data(tmp_path / "data.json", [{"image": np.array([b"no image"], object)}])
    with pytest.raises(RuntimeError, match="cannot read 1 of 1 images"):
        analyze(server.url, "pets_encoded", data, num_requests=3)


def require_whole(report: Report, *, num_requests: int = NUM_REQUESTS) -> None:
    """At least so many requests were counted, and the figures hang together."""
    assert report.num_requests >= num_requests, report.text
    assert 0 < report.p50_ms <= report.p90_ms <= report.p95_ms <= report.p99_ms
