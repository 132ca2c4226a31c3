"""Statistics of models with a cache, held against real Triton's with its response cache: what counts as what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import tritonclient.grpc as triton
from google.protobuf import text_format

from artifact.errors import UnavailableError
from artifact.repository.triton_config import CONFIG_FILE, read_config, write_config
from serving.embedded.server import Server
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer, refusal
from tests.shared.triton_server import TritonServer, unavailable
from tests.shared.waiting import eventually

DURATIONS = (
    "success",
    "fail",
    "queue",
    "compute_input",
    "compute_infer",
    "compute_output",
    "cache_hit",
    "cache_miss",
)


@pytest.fixture(scope="module", params=["embedded", pytest.param("triton", marks=pytest.mark.slow)])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[triton.InferenceServerClient]:
    """A server with a cache, whose models ask for it in their configs as Triton wants it."""
    if request.param == "triton" and (reason := unavailable()):
        pytest.skip(f"real Triton cannot run here: {reason}")
    root = tmp_path_factory.mktemp(request.param) / "repository"
    publish_tiny(root)
    for name in ("tiny", "tiny_encoded"):
        file = root / name / CONFIG_FILE
        write_config(file, text_format.Merge("response_cache { enable: true }", read_config(file)))
    with ExitStack() as stack:
        if request.param == "triton":
            url = stack.enter_context(TritonServer(root, cache_mb=64)).grpc_url
        else:
            url = stack.enter_context(Server(root, grpc_port=0, cache_mb=64)).url
        yield stack.enter_context(triton.InferenceServerClient(url))


def counts(client: triton.InferenceServerClient, name: str) -> tuple[dict[str, int], dict[int, int], int]:
    """What a version has counted: everything by name, {rows of a run: runs}, and when the last one was."""
    one = client.get_inference_statistics(name).model_stats[0]
    found = {"inferences": one.inference_count, "executions": one.execution_count}
    found |= {field: getattr(one.inference_stats, field).count for field in DURATIONS}
    return found, {each.batch_size: each.compute_infer.count for each in one.batch_stats}, one.last_inference


@pytest.mark.parametrize("name", ["tiny", "tiny_encoded"])
def test_hits_and_misses_count_as_in_triton(client: triton.InferenceServerClient, name: str) -> None:
    """A miss counts as any request does, and as a miss; a hit as a success that waited, and as nothing that ran."""

    def ask(num_rows: int, seed: int) -> None:
        pixels = noise(num_rows, seed=seed)
        infer(client, name, {"image": [png(row) for row in pixels] if name == "tiny_encoded" else pixels})

    seed = 10 if name == "tiny" else 20
    before, _, _ = counts(client, name)
    assert before == dict.fromkeys(before, 0)
    ran = ("compute_input", "compute_infer", "compute_output", "executions")
    for num_rows, inferences, more, runs in ((1, 1, 2, {1: 1}), (3, 4, 3, {1: 1, 3: 1})):
        ask(num_rows, seed + num_rows)
        done = before["success"] + 1
        eventually(lambda done=done: counts(client, name)[0]["success"] == done, "Triton counts after it has answered")
        _, _, last = counts(client, name)
        for _ in range(more - 1):
            ask(num_rows, seed + num_rows)
        expected = {field: before[field] + more for field in ("success", "queue")}
        expected |= {field: before[field] + 1 for field in (*ran, "cache_miss")}
        expected |= {"cache_hit": before["cache_hit"] + more - 1, "inferences": inferences, "fail": 0}
        eventually(lambda expected=expected: counts(client, name)[0] == expected, f"the counts {expected}")
        before, now_runs, now_last = counts(client, name)
        assert (now_runs, now_last) == (runs, last)


def test_model_without_a_cache_counts_no_misses(client: triton.InferenceServerClient) -> None:
    """What cannot be kept (pixels that NAME_decode gives) is neither a hit nor a miss."""
    for _ in range(2):
        infer(client, "tiny_decode", {"image": [png(noise(1, seed=30)[0])]})
    now, _, _ = counts(client, "tiny_decode")
    assert (now["cache_hit"], now["cache_miss"]) == (0, 0)
    assert now["success"] >= 2


def test_rows_count_apart_from_requests(tmp_path: Path) -> None:
    """Of a request that is known in part, the known rows are counted, and only the others as inferences."""
    publish_tiny(tmp_path / "repository")
    pixels = noise(6)
    with Server(tmp_path / "repository", grpc_port=0, cache_mb=1) as server, client_of(server) as client:
        for name, make in (("tiny", lambda rows: rows), ("tiny_encoded", lambda rows: [png(row) for row in rows])):
            for rows in (pixels[:2], pixels[1:5], pixels[[5, 5]], pixels):
                infer(client, name, {"image": make(rows)})
            counted = server._store.find(name).statistics
            numbers = counted.cache_hit.count, counted.cache_miss.count, counted.cached_rows
            assert numbers == (1, 3, 0 + 1 + 1 + 6)
            got, _, _ = counts(client, name)
            assert got["success"] == 4
            if name == "tiny_encoded":
                assert got["inferences"] == 6
                assert got["executions"] == 3


def test_failures_are_counted_once(tmp_path: Path) -> None:
    """A bad image, and a network that refuses, count as one failure each, and as neither hit nor miss."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise UnavailableError("Exceeds maximum queue size")

    publish_tiny(tmp_path / "repository")
    with Server(tmp_path / "repository", grpc_port=0, cache_mb=1) as server, client_of(server) as client:
        assert refusal(lambda: infer(client, "tiny_encoded", {"image": [b"no"]}))[0] == "INVALID_ARGUMENT"
        network = server._store.find("tiny")
        network._batcher._run = refuse  # type: ignore[attr-defined]
        assert refusal(lambda: infer(client, "tiny", {"image": noise(1)}))[0] == "INTERNAL"
        got, _, _ = counts(client, "tiny")
        assert (got["fail"], got["success"], got["cache_hit"], got["cache_miss"]) == (1, 0, 0, 0)
        network.run = refuse  # type: ignore[attr-defined]
        assert refusal(lambda: infer(client, "tiny_encoded", {"image": [png(noise(1)[0])]}))[0] == "UNAVAILABLE"
        got, _, _ = counts(client, "tiny_encoded")
        assert (got["fail"], got["success"], got["cache_hit"], got["cache_miss"]) == (2, 0, 0, 0)
