"""Metrics: Triton's names, labels and units beside real Triton's, values beside the statistics that clients get."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import tritonclient.grpc as triton
from prometheus_client.parser import text_string_to_metric_families

from serving.embedded.operations.machine import Machine, memory_bytes
from serving.embedded.server import Server
from tests.shared.held_server import num_waiting, together
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer, refusal
from tests.shared.triton_server import TritonServer, unavailable
from tests.shared.waiting import eventually

ABSENT = {"nv_pinned_memory_pool_total_bytes", "nv_pinned_memory_pool_used_bytes"}
"""Of Triton's own memory pool, which this server has not."""

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metrics") / "repository"
    publish_tiny(folder)
    return folder


@pytest.fixture
def server(repository: Path) -> Iterator[Server]:
    with Server(repository, grpc_port=0, http_port=0, metrics_port=0) as one:
        yield one


def get(url: str | None, headers: dict[str, str] | None = None) -> str:
    with urllib.request.urlopen(urllib.request.Request(f"http://{url}/metrics", headers=headers or {})) as answer:
        return str(answer.read().decode())


def status(request: urllib.request.Request) -> int:
    """Of a request that is refused."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    refused.value.close()
    return refused.value.code


def samples(text: str) -> Samples:
    """{(name, labels): value}, by Prometheus' own parser."""
    return {
        (_name(sample.name), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _name(parsed: str) -> str:
    """The parser gives every counter the end that Triton's have not."""
    return parsed.removesuffix("_total") if parsed.startswith("nv_") else parsed


def of(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def heads(text: str) -> set[str]:
    """The lines of a text that say what a metric is."""
    return {line for line in text.splitlines() if line.startswith("# ")}


def some_requests(client: triton.InferenceServerClient) -> None:
    """Answered ones of both kinds, bad images, wrong shapes and models that are not there."""
    infer(client, "tiny", {"image": noise(2)})
    infer(client, "tiny_encoded", {"image": [png(noise(1)[0]), png(noise(2)[1])]})
    refusal(lambda: infer(client, "tiny_encoded", {"image": [b"x", png(noise(1)[0])]}))
    refusal(lambda: infer(client, "tiny", {"image": noise(2)[:, :1]}))
    refusal(lambda: infer(client, 'no\n"pe', {"image": noise(1)}))


def test_counters_are_those_of_the_statistics(server: Server) -> None:
    """What ModelStatistics tells in nanoseconds stands here in microseconds; bad images fail alone, wrong shapes do not
    count as failures of a model, as in Triton."""
    with client_of(server) as client:
        some_requests(client)
        stats = {one.name: one for one in client.get_inference_statistics().model_stats}
    found = samples(get(server.metrics_url))
    for name, one in stats.items():
        labels = {"model": name, "version": "1"}
        assert of(found, "nv_inference_request_success", **labels) == one.inference_stats.success.count
        assert of(found, "nv_inference_count", **labels) == one.inference_count
        assert of(found, "nv_inference_exec_count", **labels) == one.execution_count
        assert of(found, "nv_inference_request_duration_us", **labels) == one.inference_stats.success.ns // 1000
        assert of(found, "nv_inference_queue_duration_us", **labels) == one.inference_stats.queue.ns // 1000
        assert (
            of(found, "nv_inference_compute_infer_duration_us", **labels)
            == one.inference_stats.compute_infer.ns // 1000
        )
    failures = {
        (labels["model"], labels["reason"]): value
        for (name, pairs), value in found.items()
        if name == "nv_inference_request_failure" and value and (labels := dict(pairs))
    }
    assert failures == {("tiny_decode", "OTHER"): 1, ("tiny_encoded", "OTHER"): 1}
    assert of(found, "lookalike_images_decoded_total", model="tiny") == 2
    assert of(found, "lookalike_images_bad_total", model="tiny") == 1


def test_requests_are_counted_by_transport_and_outcome(server: Server) -> None:
    """Over both fronts; no name that a client made up is a label; requests of before are in a histogram."""
    with client_of(server) as client:
        some_requests(client)
    for path in ("tiny", "nope"):
        status(urllib.request.Request(f"http://{server.http_url}/v2/models/{path}/infer", b"{}"))
    text = get(server.metrics_url)
    found = samples(text)
    counted = {pairs: value for (name, pairs), value in found.items() if name == "lookalike_requests_total"}
    assert {(dict(pairs)["transport"], dict(pairs)["code"]): value for pairs, value in counted.items()} == {
        ("grpc", "OK"): 2,
        ("grpc", "INVALID_ARGUMENT"): 2,
        ("grpc", "NOT_FOUND"): 1,
        ("http", "INVALID_ARGUMENT"): 1,
        ("http", "NOT_FOUND"): 1,
    }
    assert "pe" not in text.replace("type", "").replace("TYPE", "").replace("per", "").replace("pen", "")
    assert of(found, "lookalike_request_duration_seconds_count", model="tiny") == 1
    assert of(found, "lookalike_request_duration_seconds_bucket", model="tiny", le="+Inf") == 1
    assert of(found, "lookalike_request_bytes_total", transport="http") == 4


def test_what_waits_and_what_is_served_is_told(server: Server) -> None:
    """Pending requests, the requests and bytes in the server, readiness, digests; and it changes with them."""
    digest = server._store.find("tiny").digest
    with client_of(server) as client:
        with together(server, lambda: infer(client, "tiny", {"image": noise(2)})):
            eventually(lambda: num_waiting(server) == 1, "one waiting")
            found = samples(get(server.metrics_url))
            assert of(found, "nv_inference_pending_request_count", model="tiny", version="1") == 1
            assert of(found, "lookalike_running_requests") == 1
            assert of(found, "lookalike_running_bytes") > 2 * 8 * 8 * 3
        client.unload_model("tiny_encoded")
    found = samples(get(server.metrics_url))
    assert of(found, "lookalike_running_requests") == of(found, "lookalike_running_bytes") == 0
    assert of(found, "lookalike_model_info", model="tiny", version="1", digest=digest) == 1
    assert not any(dict(labels).get("model") == "tiny_encoded" for _, labels in found)
    server._store.leave()
    assert of(samples(get(server.metrics_url)), "lookalike_ready") == 0


def test_full_queue_counts_as_rejected(repository: Path) -> None:
    """Each request that found no place."""
    with Server(repository, grpc_port=0, metrics_port=0, max_queue=1) as server, client_of(server) as client:
        with together(server, lambda: infer(client, "tiny", {"image": noise(1)})):
            eventually(lambda: num_waiting(server) == 1, "one waiting")
            assert refusal(lambda: infer(client, "tiny", {"image": noise(1)}))[0] == "UNAVAILABLE"
        found = samples(get(server.metrics_url))
    assert of(found, "nv_inference_request_failure", model="tiny", version="1", reason="REJECTED") == 1
    assert of(found, "lookalike_requests_total", transport="grpc", code="UNAVAILABLE") == 1


def test_metrics_have_guards_of_their_own(repository: Path, tmp_path: Path) -> None:
    """With tokens a token for metrics, and no other; only GET /metrics; hosts of others are refused."""
    tokens = tmp_path / "tokens"
    rights = {"see": "metrics", "use": "score"}
    tokens.write_text("".join(f"{right} {hashlib.sha256(t.encode()).hexdigest()}\n" for t, right in rights.items()))
    with Server(repository, grpc_port=0, metrics_port=0, tokens=str(tokens)) as server:
        url = server.metrics_url
        assert "nv_inference_count" in get(url, {"Authorization": "Bearer see"})
        for headers, code in (({}, 401), ({"Authorization": "Bearer use"}, 403), ({"Host": "evil.example"}, 421)):
            assert status(urllib.request.Request(f"http://{url}/metrics", headers=headers)) == code
        for path, method, code in (("/", "GET", 404), ("/metrics", "POST", 405)):
            headers = {"Authorization": "Bearer see"}
            assert status(urllib.request.Request(f"http://{url}{path}", headers=headers, method=method)) == code


def test_server_in_a_program_has_none_unless_asked(repository: Path) -> None:
    """As with the HTTP port."""
    with Server(repository, grpc_port=0) as server:
        assert server.metrics_url is None


def test_machine_is_told_in_shares_and_bytes() -> None:
    """Between 0 and 1; used memory is less than there is."""
    share, memory = Machine().utilization(), memory_bytes()
    assert share is not None
    assert memory is not None
    assert 0 <= share <= 1
    assert 0 < memory[1] < memory[0]


@pytest.mark.slow
@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_names_labels_and_counts_are_those_of_real_triton(repository: Path) -> None:
    """Every metric that Triton 2.51 tells of the same repository after the same requests: its head to the letter, its
    labels, and all counts but what the two differ in: their own memory pool, and a bad image in an ensemble."""
    texts = []
    with TritonServer(repository, metrics=True) as real, triton.InferenceServerClient(real.grpc_url) as client:
        infer(client, "tiny", {"image": noise(2)})
        infer(client, "tiny_encoded", {"image": [png(noise(1)[0])]})
        refusal(lambda: infer(client, "tiny", {"image": noise(2)[:, :1]}))
        texts.append(get(real.metrics_url))
    with Server(repository, grpc_port=0, metrics_port=0) as server, client_of(server) as client:
        infer(client, "tiny", {"image": noise(2)})
        infer(client, "tiny_encoded", {"image": [png(noise(1)[0])]})
        refusal(lambda: infer(client, "tiny", {"image": noise(2)[:, :1]}))
        texts.append(get(server.metrics_url))
    theirs, ours = (samples(text) for text in texts)
    expected = {key for key in theirs if key[0] not in ABSENT}
    assert expected <= set(ours)
    assert {line for line in heads(texts[0]) if line.split()[2] not in ABSENT} <= heads(texts[1])
    measured = ("_us", "_bytes", "nv_cpu_utilization")
    counts = {key for key in expected if not key[0].endswith(measured)}
    assert {key: ours[key] for key in counts} == {key: theirs[key] for key in counts}
