"""REST in the place of gRPC's stub: the same messages go out as JSON with binary tensors, and come back as messages.

So every check that speaks of messages runs over both transports. What REST cannot say (no data at all, raw and typed
data together, parameters without a value) is not translated: `Untold` is raised.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf import json_format
from tritonclient.grpc import model_config_pb2
from tritonclient.grpc import service_pb2 as messages

from tests.shared.conformance.served import TIMEOUT_S, Served, Untold

CODES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE"}
HEADER_LENGTH = "Inference-Header-Content-Length"
# The field of a parameter, by the type that its value has in JSON.
FIELDS = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}


class RestError(grpc.RpcError):
    """A refusal, read as gRPC's are."""

    def __init__(self, status: int, body: bytes) -> None:
        self._status, self._text = status, json.loads(body)["error"] if body else ""
        super().__init__(f"{status}: {self._text}")

    def code(self) -> Any:
        return grpc.StatusCode[CODES[self._status]]

    def details(self) -> str:
        return self._text


def exchange(
    url: str, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own: status, headers with names in lower case, body."""
    connection = http.client.HTTPConnection(url, timeout=TIMEOUT_S)
    try:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}), skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body or method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


class RestStub:
    """Methods of the protocol's stub that REST has, over HTTP."""

    def __init__(self, url: str, pool: ThreadPoolExecutor) -> None:
        self._url = url
        self.ModelInfer = _Infer(self, pool)

    def ModelStreamInfer(self, requests: Any, timeout: float) -> Any:  # noqa: N802
        raise Untold

    def answer(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Any:
        """Headers and body of an answer; raises RestError."""
        status, told, data = exchange(self._url, method, path, body, headers)
        if status != 200:
            raise RestError(status, data)
        return told, data

    def json(self, method: str, path: str, value: Any = None) -> Any:
        """An answer in JSON; None for an empty one."""
        _, data = self.answer(method, path, b"" if value is None else json.dumps(value).encode())
        return json.loads(data) if data else None

    def _ready(self, path: str) -> bool:
        status, _, body = exchange(self._url, "GET", path)
        if status == 400 and body and "not ready" not in json.loads(body)["error"]:
            raise RestError(status, body)
        return status == 200

    def ServerLive(self, request: Any, timeout: float) -> Any:  # noqa: N802
        return messages.ServerLiveResponse(live=self._ready("/v2/health/live"))

    def ServerReady(self, request: Any, timeout: float) -> Any:  # noqa: N802
        return messages.ServerReadyResponse(ready=self._ready("/v2/health/ready"))

    def ModelReady(self, request: Any, timeout: float) -> Any:  # noqa: N802
        return messages.ModelReadyResponse(ready=self._ready(_of_model(request, "/ready")))

    def ServerMetadata(self, request: Any, timeout: float) -> Any:  # noqa: N802
        return _message(self.json("GET", "/v2"), messages.ServerMetadataResponse())

    def ModelMetadata(self, request: Any, timeout: float) -> Any:  # noqa: N802
        return _message(self.json("GET", _of_model(request)), messages.ModelMetadataResponse())

    def ModelConfig(self, request: Any, timeout: float) -> Any:  # noqa: N802
        config = _message(self.json("GET", _of_model(request, "/config")), model_config_pb2.ModelConfig())
        return messages.ModelConfigResponse(config=config)

    def ModelStatistics(self, request: Any, timeout: float) -> Any:  # noqa: N802
        path = _of_model(request, "/stats") if request.name else "/v2/models/stats"
        return _message(self.json("GET", path), messages.ModelStatisticsResponse())

    def RepositoryIndex(self, request: Any, timeout: float) -> Any:  # noqa: N802
        entries = self.json("POST", "/v2/repository/index", {"ready": request.ready})
        return _message({"models": entries}, messages.RepositoryIndexResponse())

    def RepositoryModelLoad(self, request: Any, timeout: float) -> Any:  # noqa: N802
        if not request.model_name:
            raise Untold
        self.json("POST", f"/v2/repository/models/{quote(request.model_name, safe='')}/load")
        return messages.RepositoryModelLoadResponse()

    def RepositoryModelUnload(self, request: Any, timeout: float) -> Any:  # noqa: N802
        self.json("POST", f"/v2/repository/models/{quote(request.model_name, safe='')}/unload")
        return messages.RepositoryModelUnloadResponse()


class _Infer:
    """ModelInfer as a stub has it: called, or with `future`."""

    def __init__(self, stub: RestStub, pool: ThreadPoolExecutor) -> None:
        self._stub, self._pool = stub, pool

    def __call__(self, request: Any, timeout: float) -> Any:
        path, body, headers = rest_request(request)
        told, data = self._stub.answer("POST", path, body, headers)
        return _response(data, int(told.get(HEADER_LENGTH.lower(), len(data))))

    def future(self, request: Any, timeout: float) -> Future[Any]:
        return self._pool.submit(self, request, timeout)


@contextmanager
def connected_by_rest(url: str, repository: Path) -> Iterator[Served]:
    """Like `connected`, over HTTP."""
    with ThreadPoolExecutor(16) as pool:
        yield Served(url, repository, RestStub(url, pool))  # type: ignore[arg-type]  # has the methods that are used


def rest_request(message: Any) -> tuple[str, bytes, dict[str, str]]:
    """Path, body and headers that say what a ModelInferRequest says; raises Untold."""
    if not message.model_name or (message.model_version and not message.model_version.isdecimal()):
        raise Untold
    told: dict[str, Any] = {"id": message.id} if message.id else {}
    if message.parameters:
        told["parameters"] = {name: _parameter(value) for name, value in message.parameters.items()}
    told["inputs"] = [_input(message, index) for index in range(len(message.inputs))]
    outputs = message.outputs or []
    told["outputs"] = [_output(output) for output in outputs]
    if not outputs:
        del told["outputs"]
        told.setdefault("parameters", {})["binary_data_output"] = True
    head = json.dumps(told).encode()
    path = _of_model_named(message.model_name, message.model_version) + "/infer"
    return path, head + b"".join(message.raw_input_contents), {HEADER_LENGTH: str(len(head))}


def can_be_told(message: Any) -> bool:
    """Whether REST has words for a ModelInferRequest."""
    try:
        rest_request(message)
    except Untold:
        return False
    return True


def _input(message: Any, index: int) -> dict[str, Any]:
    tensor = message.inputs[index]
    told: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
    if any(dim < 0 for dim in tensor.shape):
        raise Untold
    raw = message.raw_input_contents
    if tensor.HasField("contents"):
        if raw:
            raise Untold
        fields = tensor.contents.ListFields()
        values = [value for _, values in fields for value in values]
        if any(isinstance(value, bytes) for value in values):
            raise Untold
        return told | {"data": values}
    if index >= len(raw):
        raise Untold
    told["parameters"] = {name: _parameter(value) for name, value in tensor.parameters.items()}
    told["parameters"]["binary_data_size"] = len(raw[index])
    return told


def _output(output: Any) -> dict[str, Any]:
    told = {name: _parameter(value) for name, value in output.parameters.items()}
    return {"name": output.name, "parameters": {"binary_data": True} | told}


def _parameter(value: Any) -> Any:
    kind = value.WhichOneof("parameter_choice")
    if kind is None:
        raise Untold
    return getattr(value, kind)


def _response(data: bytes, length: int) -> Any:
    told = json.loads(data[:length])
    response = messages.ModelInferResponse(
        model_name=told["model_name"], model_version=told["model_version"], id=told.get("id", "")
    )
    for name, value in told.get("parameters", {}).items():
        setattr(response.parameters[name], FIELDS[type(value)], value)
    place = length
    for output in told["outputs"]:
        response.outputs.add(name=output["name"], datatype=output["datatype"], shape=output["shape"])
        size = output["parameters"]["binary_data_size"]
        response.raw_output_contents.append(data[place : place + size])
        place += size
    assert place == len(data)
    return response


def _of_model(request: Any, rest: str = "") -> str:
    if request.version and not request.version.isdecimal():
        raise Untold
    return _of_model_named(request.name, request.version) + rest


def _of_model_named(name: str, version: str) -> str:
    if quote(name, safe="") != name:  # Triton 2.51 takes the written form for the name.
        raise Untold
    return f"/v2/models/{name}" + (f"/versions/{version}" if version else "")


def _message(told: Any, message: Any) -> Any:
    return json_format.ParseDict(told, message, ignore_unknown_fields=True)
