"""Lines of the log about models and requests, over both fronts; the embedding program's logging stays untouched."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from serving.embedded.server import Server
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer, refusal


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noting") / "repository"
    publish_tiny(folder)
    return folder


@contextmanager
def logging_server(repository: Path, **options: Any) -> Iterator[tuple[Server, list[dict[str, Any]]]]:
    """A server, and the objects that it logs."""
    told: list[dict[str, Any]] = []
    defaults = {"grpc_port": 0, "http_port": 0, "log_format": "json"}
    with Server(repository, report=lambda line: told.append(json.loads(line)), **defaults | options) as server:
        yield server, told


def message(request_id: str = "") -> Any:
    """A request for one row of pixels."""
    request = messages.ModelInferRequest(model_name="tiny", id=request_id, raw_input_contents=[noise(1).tobytes()])
    request.inputs.add(name="image", datatype="UINT8", shape=noise(1).shape)
    return request


def test_models_that_come_and_go_are_logged(repository: Path) -> None:
    """A line each with the version and the digest of its vectors; nothing twice."""
    with logging_server(repository) as (server, told), client_of(server) as client:
        client.unload_model("tiny_encoded")
        client.load_model("tiny_encoded")
        events = [(each["event"], each["model"]) for each in told]
        digests = {each["model"]: each.get("digest") for each in told if each["event"] == "load"}
        digest = server._store.find("tiny").digest
    assert events == [
        ("load", "tiny"),
        ("load", "tiny_decode"),
        ("load", "tiny_encoded"),
        ("unload", "tiny_encoded"),
        ("load", "tiny_encoded"),
    ]
    assert digests == {"tiny": digest, "tiny_decode": None, "tiny_encoded": digest}


def test_every_request_is_logged_where_asked_for(repository: Path) -> None:
    """Over gRPC, a stream and HTTP: who, what, how much, how long and how it ended; the id is told back."""
    with logging_server(repository, log_requests=True) as (server, told), grpc.insecure_channel(server.url) as channel:
        told.clear()
        stub = GRPCInferenceServiceStub(channel)
        _, call = stub.ModelInfer.with_call(message("given"), metadata=[("x-request-id", "of-the-call")])
        assert dict(call.trailing_metadata())["x-request-id"] == "of-the-call"
        _, call = stub.ModelInfer.with_call(message())
        made = dict(call.trailing_metadata())["x-request-id"]
        list(stub.ModelStreamInfer(iter([message("first"), message("second")])))
        url = f"http://{server.http_url}/v2/models/tiny_encoded/infer"
        body, headers = png(noise(1)[0]), {"Inference-Header-Content-Length": "0", "X-Request-Id": "web"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            assert answer.headers["x-request-id"] == "web"
        with client_of(server) as client:
            refused = refusal(lambda: infer(client, "tiny", {"image": noise(1)[:, :3]}, request_id="bad\n1"))
    requests = [each for each in told if each["event"] == "request"]
    assert [(each["id"], each["transport"], each["code"]) for each in requests] == [
        ("of-the-call", "grpc", "OK"),
        (made, "grpc", "OK"),
        ("first", "stream", "OK"),
        ("second", "stream", "OK"),
        ("web", "http", "OK"),
        ("bad\\n1", "grpc", "INVALID_ARGUMENT"),
    ]
    assert [each.get("rows") for each in requests] == [1, 1, 1, 1, 1, None]
    assert {each["model"] for each in requests} == {"tiny", "tiny_encoded"}
    assert all(each["ms"] >= each["queue_ms"] + each["compute_ms"] for each in requests[:5])
    assert requests[4]["decode_ms"] > 0
    assert requests[5]["reason"].startswith(refused[1].replace("\n", "\\n")[:40])
    assert all("127.0.0.1" in each["peer"] for each in requests)


def test_slow_requests_and_faults_are_logged_by_themselves(repository: Path) -> None:
    """A request that took longer than the bound is a warning; one that this server's own fault refused is an error."""
    with logging_server(repository, log_slow_ms=0.0) as (server, told), client_of(server) as client:
        told.clear()
        infer(client, "tiny", {"image": noise(1)})
    assert [(each["level"], each["message"]) for each in told] == [("warning", "slow request")]
    with logging_server(repository) as (server, told), client_of(server) as client:
        told.clear()
        infer(client, "tiny", {"image": noise(1)})
        refusal(lambda: infer(client, "nope", {"image": noise(1)}))
        server._store.find("tiny")._batcher._run = lambda feeds: 1 / 0  # type: ignore[attr-defined]
        refusal(lambda: infer(client, "tiny", {"image": noise(1)}, request_id="7"))
    (fault,) = told
    assert (fault["level"], fault["message"], fault["id"], fault["code"]) == (
        "error",
        "failed request",
        "7",
        "INTERNAL",
    )


def test_logging_of_the_program_is_not_touched(repository: Path) -> None:
    """No handler and no level is set, and nothing of the server comes through it."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    with logging_server(repository, log_requests=True) as (server, told), client_of(server) as client:
        infer(client, "tiny", {"image": noise(1)})
    assert (list(root.handlers), root.level) == before
    assert told
