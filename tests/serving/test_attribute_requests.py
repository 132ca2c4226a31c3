"""FP32 rows of attributes over gRPC and REST: what real Triton answers and refuses, and what the embedded server does.

Beside tests/serving/test_grpc_requests.py, whose models all take pixels; the texts are those of tritonserver 2.51.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from serving.embedded.server import Server
from tests.shared.conformance.cases import BATCH_NOTE
from tests.shared.conformance.rest import HEADER_LENGTH, exchange
from tests.shared.conformance.served import TIMEOUT_S, require_close
from tests.shared.tiny_attribute_tower import TINY_ATTRIBUTES, linear_rows
from tests.shared.triton_server import TritonServer, unavailable
from tests.shared.two_tower_models import publish_towers

NAME, PATH = "tiny_attributes", "/v2/models/tiny_attributes/infer"
ROWS = np.random.default_rng(0).normal(size=(64, TINY_ATTRIBUTES.width)).astype(np.float32)
NO_ID = "[request id: <id_unknown>] "


@dataclass(frozen=True)
class Front:
    """A server of both models: gRPC's stub, and HOST:PORT of its HTTP port."""

    stub: services.GRPCInferenceServiceStub
    http_url: str

    def infer(self, rows: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
        return read(self.stub.ModelInfer(request(rows, **options), timeout=TIMEOUT_S))

    def refusal(self, message: Any) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as error:
            self.stub.ModelInfer(message, timeout=TIMEOUT_S)
        return error.value.code().name, error.value.details()

    def rest(self, tensor: dict[str, Any], raw: bytes = b"", *, path: str = PATH) -> tuple[int, Any]:
        text = json.dumps({"inputs": [tensor]}).encode()
        headers = {HEADER_LENGTH: str(len(text))} if raw else {}
        status, _, body = exchange(self.http_url, "POST", path, text + raw, headers)
        return status, json.loads(body)


@pytest.fixture(scope="module", params=["embedded", "triton"])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One of the two servers."""
    if request.param == "triton" and (reason := unavailable()):
        pytest.skip(f"real Triton cannot run here: {reason}")
    repository = publish_towers(tmp_path_factory.mktemp("towers") / "repository")
    server: Any = (
        TritonServer(repository) if request.param == "triton" else Server(repository, grpc_port=0, http_port=0)
    )
    with server as running:
        url = running.grpc_url if request.param == "triton" else running.url
        with grpc.insecure_channel(url) as channel:
            yield Front(services.GRPCInferenceServiceStub(channel), str(running.http_url))


def request(rows: np.ndarray, *, name: str = "attributes", datatype: str = "FP32", model: str = NAME) -> Any:
    """A request with raw contents."""
    message = messages.ModelInferRequest(model_name=model)
    message.inputs.add(name=name, datatype=datatype, shape=rows.shape)
    message.raw_input_contents.append(np.ascontiguousarray(rows).tobytes())
    return message


def read(answer: Any) -> dict[str, np.ndarray]:
    """{output: array} of an answer."""
    return {
        output.name: np.frombuffer(raw, np.float32).reshape(tuple(output.shape))
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True)
    }


@pytest.mark.parametrize("num_rows", [1, 7, 64])
def test_rows_give_vectors(front: Front, num_rows: int) -> None:
    """Raw FP32 rows, as many as may be."""
    require_close(front.infer(ROWS[:num_rows]), {"embedding": linear_rows(ROWS[:num_rows])})


def test_typed_contents_give_vectors(front: Front) -> None:
    """Values in fp32_contents in the place of raw bytes."""
    message = request(ROWS[:3])
    del message.raw_input_contents[:]
    message.inputs[0].contents.fp32_contents.extend(ROWS[:3].ravel().tolist())
    require_close(read(front.stub.ModelInfer(message, timeout=TIMEOUT_S)), {"embedding": linear_rows(ROWS[:3])})


def test_rest_takes_numbers_and_bytes(front: Front) -> None:
    """Nested lists and flat ones in JSON, and binary data behind it."""
    expected = linear_rows(ROWS[:2]).ravel()
    tensor = {"name": "attributes", "datatype": "FP32", "shape": [2, TINY_ATTRIBUTES.width]}
    for data in (ROWS[:2].tolist(), ROWS[:2].ravel().tolist()):
        status, body = front.rest(tensor | {"data": data})
        assert status == 200
        (output,) = body["outputs"]
        assert (output["name"], output["datatype"], output["shape"]) == ("embedding", "FP32", [2, 4])
        np.testing.assert_allclose(output["data"], expected, atol=1e-4)
    raw = ROWS[:2].tobytes()
    status, body = front.rest(tensor | {"parameters": {"binary_data_size": len(raw)}}, raw)
    assert status == 200
    np.testing.assert_allclose(body["outputs"][0]["data"], expected, atol=1e-4)


def test_rows_that_do_not_fit_are_refused_in_tritons_words(front: Front) -> None:
    """Another datatype, width, number of rows, name or number of bytes."""
    width = TINY_ATTRIBUTES.width
    shape = f"{NO_ID}unexpected shape for input 'attributes' for model '{NAME}'. Expected [-1,{width}], got "
    assert front.refusal(request(ROWS[:1].astype(np.uint8), datatype="UINT8")) == (
        "INVALID_ARGUMENT",
        f"{NO_ID}inference input 'attributes' data-type is 'UINT8', but model '{NAME}' expects 'FP32'",
    )
    assert front.refusal(request(ROWS[:1, :-1])) == ("INVALID_ARGUMENT", f"{shape}[1,{width - 1}].{BATCH_NOTE}")
    assert front.refusal(request(np.concatenate([ROWS, ROWS[:1]]))) == (
        "INVALID_ARGUMENT",
        f"{NO_ID}inference request batch-size must be <= 64 for '{NAME}'",
    )
    assert front.refusal(request(ROWS[:1], name="image")) == (
        "INVALID_ARGUMENT",
        f"unexpected inference input 'image' for model '{NAME}'",
    )
    short = request(ROWS[:2])
    short.raw_input_contents[0] = ROWS[:1].tobytes()
    assert front.refusal(short) == (
        "INVALID_ARGUMENT",
        f"{NO_ID}input byte size mismatch for input 'attributes' for model '{NAME}'. Expected {8 * width}, "
        f"got {4 * width}",
    )


def test_attributes_have_no_companions(front: Front) -> None:
    """Nothing decodes them, and the index names none."""
    for suffix in ("_decode", "_encoded"):
        code, text = front.refusal(request(ROWS[:1], model=NAME + suffix))
        assert (code, text) == ("NOT_FOUND", f"Request for unknown model: '{NAME}{suffix}' is not found")
    index = front.stub.RepositoryIndex(messages.RepositoryIndexRequest(), timeout=TIMEOUT_S)
    names = sorted(model.name for model in index.models)
    assert names == ["tiny", "tiny_attributes", "tiny_decode", "tiny_encoded"]


def test_metadata_tell_the_row(front: Front) -> None:
    """Name, datatype and width, for clients of others."""
    answer = front.stub.ModelMetadata(messages.ModelMetadataRequest(name=NAME), timeout=TIMEOUT_S)
    told = [(each.name, each.datatype, list(each.shape)) for each in (*answer.inputs, *answer.outputs)]
    assert told == [("attributes", "FP32", [-1, TINY_ATTRIBUTES.width]), ("embedding", "FP32", [-1, 4])]


def test_cache_of_vectors_leaves_attributes_alone(tmp_path: Any) -> None:
    """A server with a cache runs each row anew: to look it up would cost as much."""
    repository = publish_towers(tmp_path / "repository")
    with Server(repository, grpc_port=0, cache_mb=1) as server, grpc.insecure_channel(server.url) as channel:
        front = Front(services.GRPCInferenceServiceStub(channel), "")
        for _ in range(3):
            require_close(front.infer(ROWS[:2]), {"embedding": linear_rows(ROWS[:2])})
        statistics = front.stub.ModelStatistics(messages.ModelStatisticsRequest(name=NAME), timeout=TIMEOUT_S)
        (told,) = statistics.model_stats
        assert (told.inference_count, told.execution_count) == (6, 3)
        assert told.inference_stats.cache_hit.count == 0
        config = front.stub.ModelConfig(messages.ModelConfigRequest(name=NAME), timeout=TIMEOUT_S).config
        assert not config.response_cache.enable
