"""JSON of the REST front beside real Triton's, field by field: metadata, configs, statistics, the index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from serving.embedded.server import Server
from tests.shared.conformance.rest import exchange
from tests.shared.conformance.served import MODELS, publish_models
from tests.shared.triton_server import TritonServer, unavailable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(unavailable()), reason=f"real Triton cannot run here: {unavailable()}"),
]
NAMES = [model.name + suffix for model in MODELS for suffix in ("", "_decode", "_encoded")]
# Of the onnxruntime backend written in Python; and a field that Triton 2.51 does not know yet.
NOT_COMPARED = {"runtime", "max_inflight_requests"}


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Ours and real Triton's, over one repository."""
    repository = publish_models(tmp_path_factory.mktemp("served"))
    with Server(repository, grpc_port=0, http_port=0) as ours, TritonServer(repository) as theirs:
        yield str(ours.http_url), f"127.0.0.1:{theirs.http_port}"


def answers(urls: tuple[str, str], method: str, path: str, body: bytes = b"") -> list[Any]:
    """What both say; the statuses are the same."""
    told = [exchange(url, method, path, body) for url in urls]
    assert told[0][0] == told[1][0] == 200
    return [json.loads(body) for _, _, body in told]


def compared(value: Any) -> Any:
    """Without what is not compared, and numbers that differ from run to run as their kind."""
    if isinstance(value, dict):
        return {
            key: "some" if key in ("ns", "last_inference") and type(one) is int else compared(one)
            for key, one in value.items()
            if key not in NOT_COMPARED
        }
    return [compared(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("of", ["", "/versions/1", "/config", "/versions/1/config", "/stats", "/versions/1/stats"])
def test_json_of_a_model_is_that_of_triton(urls: tuple[str, str], name: str, of: str) -> None:
    """Names, order of lists, kinds of numbers, and what is there though nothing was said of it."""
    ours, theirs = answers(urls, "GET", f"/v2/models/{name}{of}")
    assert compared(ours) == compared(theirs)


@pytest.mark.parametrize("body", [b"", b'{"ready":true}', b'{"ready":false}', b"{}"])
def test_json_of_the_index_is_that_of_triton(urls: tuple[str, str], body: bytes) -> None:
    """Sorted by name."""
    ours, theirs = answers(urls, "POST", "/v2/repository/index", body)
    assert ours == theirs
    assert [entry["name"] for entry in ours] == sorted(NAMES)


def test_statistics_of_all_models_are_in_the_order_of_triton(urls: tuple[str, str]) -> None:
    """One entry for each version that is loaded."""
    ours, theirs = answers(urls, "GET", "/v2/models/stats")
    assert compared(ours) == compared(theirs)


def test_server_tells_extensions_of_triton_only(urls: tuple[str, str]) -> None:
    """In its order, without those that it does not have."""
    ours, theirs = answers(urls, "GET", "/v2")
    assert ours["extensions"] == [name for name in theirs["extensions"] if name in ours["extensions"]]
    missing = set(theirs["extensions"]) - set(ours["extensions"])
    assert missing == {"sequence", "system_shared_memory", "cuda_shared_memory", "trace", "logging"}


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1", "/v2/", "/v2/health", "/v2/models", "/v2/models/", "/v2/models/pets/", "/v2/models/pets/nothing"),
        *("/v2/models/pets/versions/abc", "/v2/models/nope", "/v2/models/pets/versions/9", "/v2/models/nope/config"),
        *("/v2/models/nope/ready", "/v2/models/nope/stats", "/v2/systemsharedmemory/region/r/status", "/metrics"),
        *("/v2/models/a%00b", "/v2/models/..", "/v2/models/pets/versions/99999999999999999999", "/v2?x=1#y", "//v2"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
def test_paths_and_methods_are_those_of_triton(urls: tuple[str, str], method: str, path: str) -> None:
    """The same status and text for what is not there, is not allowed or is wrong."""
    if path.startswith("/v2?") and method == "GET":
        pytest.skip("names the server")
    ours, theirs = (exchange(url, method, path) for url in urls)
    if "%" in path:
        assert ours[0] == theirs[0]
    else:
        assert (ours[0], ours[2]) == (theirs[0], theirs[2])
