"""Inferences as gRPC's messages have them: read into the server's own words and answered, by tritonclient's classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2 as messages

from artifact.errors import InvalidRequestError
from serving.embedded.answering.inference import Answer
from serving.embedded.requests.bounds import require_few
from serving.embedded.requests.parameters import check_parameters, refuse_region
from serving.embedded.requests.request import Asked, Parameter, Parameters, Request
from serving.embedded.requests.tensors import DTYPES, Tensor
from serving.protocol import BYTES, DIGEST_IN_ANSWER, FP32, UINT8

CONTENTS = {
    "bool_contents": "BOOL",
    "int_contents": "INT32",
    "int64_contents": "INT64",
    "uint_contents": "UINT32",
    "uint64_contents": "UINT64",
    "fp32_contents": FP32,
    "fp64_contents": "FP64",
    "bytes_contents": BYTES,
}
"""Fields of typed contents with the data type that a refusal calls them."""

TYPED = {
    "BOOL": "bool_contents",
    UINT8: "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    FP32: "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""The field of typed contents that holds a data type; FP16 and BF16 have none."""


_NONE: Parameters = {}


def read_request(message: Any, raw: Sequence[bytes | memoryview]) -> Request:
    """A ModelInferRequest, its contents raw or typed.

    Args:
        message: the ModelInferRequest.
        raw: its raw contents.

    Raises:
        InvalidRequestError: too many of anything, a parameter of another kind, no data for an input, both kinds of
            data, or typed contents of another type.
        ModelNotFoundError: data in shared memory, of which this server has none.
    """
    named, wanted = message.inputs, message.outputs
    require_few(len(named), "inputs")
    require_few(len(wanted), "outputs")
    parameters = _parameters(message)
    check_parameters(parameters)
    model = message.model_name
    tensors = []
    for index, tensor in enumerate(named):
        name, has_contents = tensor.name, tensor.HasField("contents")
        refuse_region(name, _parameters(tensor))
        place = f"'{name}' for model '{model}'"
        if not raw:
            data: Any = _typed(tensor, model) if has_contents else None
        elif has_contents:
            raise InvalidRequestError(f"contents field must not be specified when using raw_input_contents for {place}")
        else:
            data = raw[index] if index < len(raw) else None
        if data is None:
            raise InvalidRequestError(f"unable to find data for input tensor {place} in request.")
        tensors.append(Tensor(name, tensor.datatype, tuple(tensor.shape), data))
    outputs = [Asked(output.name, _parameters(output)) for output in wanted]
    return Request(model, message.model_version, message.id, tensors, outputs, parameters)


def _parameters(message: Any) -> Parameters:
    parameters = message.parameters
    if not (num := len(parameters)):
        return _NONE
    require_few(num, "parameters")
    found = {}
    for name, parameter in parameters.items():
        kind = parameter.WhichOneof("parameter_choice") or ""
        found[name] = Parameter(kind, getattr(parameter, kind) if kind else "")
    return found


def _typed(tensor: Any, model: str) -> bytes | list[bytes]:
    """Typed contents: the raw bytes of numbers, elements of BYTES."""
    expected = TYPED.get(tensor.datatype)
    for field, datatype in CONTENTS.items():
        if field != expected and len(getattr(tensor.contents, field)):
            raise InvalidRequestError(
                f"unexpected explicit tensor data for input tensor '{tensor.name}' for model '{model}' of type "
                f"'{datatype}', expected datatype '{tensor.datatype}'"
            )
    if expected is None:
        return b""
    if tensor.datatype == BYTES:
        return list(tensor.contents.bytes_contents)
    values = np.array(getattr(tensor.contents, expected), DTYPES[CONTENTS[expected]])
    dtype = DTYPES[tensor.datatype]
    if issubclass(dtype, np.integer):
        limits, of = np.iinfo(dtype), f"for input tensor '{tensor.name}' for model '{model}'"
        if (value := values.max(initial=0)) > limits.max:
            raise InvalidRequestError(f"value {value} {of} is over {limits.max}, the largest {tensor.datatype}")
        if (value := values.min(initial=0)) < limits.min:
            raise InvalidRequestError(f"value {value} {of} is under {limits.min}, the smallest {tensor.datatype}")
    return values.astype(dtype).tobytes()


def unload_dependents(request: Any) -> bool:
    """Whether a RepositoryModelUnloadRequest takes an ensemble's parts along; raises InvalidRequestError."""
    if "unload_dependents" not in request.parameters:
        return False
    value = request.parameters["unload_dependents"]
    if value.WhichOneof("parameter_choice") != "bool_param":
        raise InvalidRequestError("invalid value type for 'unload_dependents' parameter, expected bool_param.")
    return bool(value.bool_param)


def infer_response(request: Any, answered: Answer) -> Any:
    """The ModelInferResponse to a ModelInferRequest: its outputs raw."""
    response = messages.ModelInferResponse(
        model_name=request.model_name, model_version=str(answered.version), id=request.id
    )
    if answered.digest:
        response.parameters[DIGEST_IN_ANSWER].string_param = answered.digest
    for output in answered.outputs:
        response.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        data = output.data if isinstance(output.data, bytes) else output.data.tobytes()
        response.raw_output_contents.append(data)
    return response
