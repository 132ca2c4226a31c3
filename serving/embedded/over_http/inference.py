"""Inferences as REST has them: JSON, with tensors in it or behind it (the binary tensor extension), or one raw input.

A raw body is that of a model with one input, of BYTES or with one length left open: what `curl --data-binary` sends.
Triton answers it in binary; a client that says `Accept: application/json` gets JSON from this server.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from artifact.errors import InvalidRequestError, ModelNotFoundError
from serving.embedded.answering.inference import Answer, Output
from serving.embedded.over_http.json_values import (
    bool_of,
    list_of,
    numbers,
    object_of,
    parsed,
    strings,
    text_of,
    unparsed,
    unsigned,
    unsigned_of,
)
from serving.embedded.over_http.responses import BINARY, HEADER_LENGTH, JSON, Response, json_bytes
from serving.embedded.requests.bounds import require_few, require_rank
from serving.embedded.requests.parameters import check_parameters
from serving.embedded.requests.request import Asked, Parameter, Parameters, Request
from serving.embedded.requests.signature import Signature, request_label
from serving.embedded.requests.tensors import DTYPES, Tensor
from serving.protocol import BYTES, DIGEST_IN_ANSWER, STRING_LENGTH

_REGION, _CLASSES, _SIZE = "shared_memory_region", "classification", "binary_data_size"
_UNSIGNED = ("priority", "timeout")
_BOOLS = ("sequence_start", "sequence_end")
_RESERVED = "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
_LARGEST = 2**63 - 1
"""Of elements, and of bytes: Triton's numbers of them are of 64 bits with a sign."""


@dataclass
class Wanted:
    """How outputs are to be sent: in binary or in JSON, each one, and those that the request does not name."""

    id: str = ""
    binary: bool = False
    outputs: dict[str, bool] = field(default_factory=dict)


def header_length(text: str | None, size: int) -> int:
    """Bytes of the JSON in front of a body: all of it where no header says so; raises InvalidRequestError.

    Args:
        text: the header Inference-Header-Content-Length.
        size: of the body.
    """
    if text is None:
        return size
    digits = text.strip()
    number = int(digits) if digits.isdecimal() and len(digits) < 20 else -1
    if not 0 <= number <= size:
        raise InvalidRequestError(f"inference header size should be in range (0, {size}), got: {text}")
    return number


def read_request(body: bytes, length: int, model: str, version: str, wanted: Wanted) -> Request:
    """A request whose JSON are the first `length` bytes of its body; fills in what it wants.

    Raises:
        InvalidRequestError: JSON that is none, or says something that Triton does not take.
        ModelNotFoundError: a tensor in shared memory, of which this server has none.
    """
    asked = parsed(body[:length])
    wanted.id = text_of(asked, "id") if isinstance(asked, dict) and "id" in asked else ""
    parameters = _parameters(asked, wanted)
    check_parameters(parameters)
    place, tensors = length, []
    inputs = list_of(asked, "inputs")
    require_few(len(inputs), "inputs")
    for item in inputs:
        tensor, place = _input(item, body, place, model)
        tensors.append(tensor)
    if place != len(body):
        raise InvalidRequestError(f"unexpected additional input data for model '{model}'")
    named = list_of(asked, "outputs") if "outputs" in asked else []
    require_few(len(named), "outputs")
    outputs = [_output(item, wanted) for item in named]
    return Request(model, version, wanted.id, tensors, outputs, parameters)


def raw_request(body: bytes, signature: Signature, model: str, version: str) -> Request:
    """A request whose body is its only input, of one row; raises InvalidRequestError where its shape cannot be told."""
    label = request_label("")
    if len(signature.inputs) != 1:
        raise InvalidRequestError(
            f"{label}Raw request must only have 1 input (found 1) to be deduced but got {len(signature.inputs)} inputs "
            f"in '{model}' model configuration"
        )
    spec = signature.inputs[0]
    if spec.dims.count(-1) > 1:
        raise InvalidRequestError(
            f"{label}The shape of the raw input '{spec.name}' can not be deduced because there are more than one "
            "variable-sized dimension"
        )
    batch = (1,) if signature.max_rows else ()
    if spec.datatype == BYTES:
        if math.prod(spec.dims) != 1:
            raise InvalidRequestError(
                f"{label}For BYTE datatype raw input '{spec.name}', the model must have input shape [1]"
            )
        return Request(model, version, "", [Tensor(spec.name, BYTES, (*batch, *spec.dims), [body])])
    one = math.prod(dim for dim in spec.dims if dim != -1) * np.dtype(DTYPES[spec.datatype]).itemsize
    open_length = len(body) // one if one else 0
    shape = tuple(open_length if dim == -1 else dim for dim in spec.dims)
    return Request(model, version, "", [Tensor(spec.name, spec.datatype, (*batch, *shape), body)])


def infer_response(model: str, answered: Answer, wanted: Wanted) -> Response:
    """An answer as its request wants it: JSON, and behind it the outputs in binary."""
    told: dict[str, Any] = {"id": wanted.id} if wanted.id else {}
    told |= {"model_name": model, "model_version": str(answered.version)}
    if answered.digest:
        told["parameters"] = {DIGEST_IN_ANSWER: answered.digest}
    told["outputs"] = outputs = []
    parts: list[bytes] = []
    for output in answered.outputs:
        item: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
        if wanted.outputs.get(output.name, wanted.binary):
            parts.append(output.data if isinstance(output.data, bytes) else output.data.tobytes())
            item["parameters"] = {_SIZE: len(parts[-1])}
        else:
            item["data"] = _values(output)
        outputs.append(item)
    text = json_bytes(told)
    parts = [part for part in parts if part]
    if not parts:
        return Response(200, (text,), (("content-type", JSON),))
    return Response(200, (text, *parts), (("content-type", BINARY), (HEADER_LENGTH, str(len(text)))))


def _parameters(asked: Any, wanted: Wanted) -> Parameters:
    """A request's own parameters, of the kinds that gRPC has; what is REST's alone goes into `wanted`."""
    found: dict[str, Parameter] = {}
    if not isinstance(asked, dict) or "parameters" not in asked:
        return found
    given = asked["parameters"]
    if not isinstance(given, dict):
        raise InvalidRequestError("failed to get request params.: attempt to get members for non-object")
    require_few(len(given), "parameters")
    for name, value in given.items():
        if name == "binary_data_output":
            wanted.binary = bool_of(given, name)
        elif name.startswith("triton_"):
            raise InvalidRequestError(_RESERVED)
        elif name in _UNSIGNED:
            found[name] = Parameter("uint64_param" if name == "priority" else "int64_param", unsigned_of(given, name))
        elif name in _BOOLS:
            found[name] = Parameter("bool_param", bool_of(given, name))
        elif name == "sequence_id" and not isinstance(value, str):
            if type(value) is not int or value < 0:
                raise unparsed(name, "attempt to access JSON non-string as string")
            found[name] = Parameter("int64_param", value)
        else:
            found[name] = Parameter(_kind(name, value), value)
    return found


def _kind(name: str, value: Any) -> str:
    kinds = {str: "string_param", bool: "bool_param", int: "int64_param", float: "double_param"}
    if type(value) not in kinds:
        raise InvalidRequestError(
            f"parameter '{name}' has invalid type. It should be either 'int', 'bool', or 'string'."
        )
    return kinds[type(value)]


def _input(item: Any, body: bytes, place: int, model: str) -> tuple[Tensor, int]:
    """One input, and the place in the body behind its binary data."""
    parameters = object_of(item, "parameters")
    _require_one_source(item, parameters)
    name, datatype = text_of(item, "name"), text_of(item, "datatype")
    shape = tuple(unsigned(dim, "shape") for dim in list_of(item, "shape"))
    if _REGION in parameters:
        raise _no_region(parameters)
    if _SIZE in parameters:
        size = unsigned_of(parameters, _SIZE)
        end = place + size
        if end > len(body):
            raise InvalidRequestError(
                f"unexpected size for input '{name}', expecting {end - len(body)} additional bytes for model '{model}'"
            )
        return Tensor(name, datatype, shape, body[place:end]), end
    count = _count(shape, datatype, name)
    if count == 0:
        return Tensor(name, datatype, shape, b""), place
    values = list_of(item, "data")
    data = strings(values) if datatype == BYTES else numbers(values, datatype, count, name=name).tobytes()
    return Tensor(name, datatype, shape, data), place


def _count(shape: tuple[int, ...], datatype: str, name: str) -> int:
    """Elements of a shape; raises InvalidRequestError for more than can be counted, in the words of newer Tritons."""
    require_rank(len(shape))
    of = f"invalid shape for input '{name}': shape [{','.join(map(str, shape))}]"
    if max(shape, default=0) > _LARGEST:
        raise InvalidRequestError(f"{of} contains one or more invalid dimensions")
    count = math.prod(shape)
    if count > _LARGEST:
        raise InvalidRequestError(f"{of} causes total element count to exceed maximum size of {_LARGEST}")
    size = np.dtype(DTYPES[datatype]).itemsize if datatype in DTYPES and datatype != BYTES else 1
    if count * size > _LARGEST:
        raise InvalidRequestError(
            f"byte size overflow for input '{name}': element count ({count}) * data type size ({size}) exceeds maximum "
            f"allowed size ({_LARGEST})"
        )
    return count


def _require_one_source(item: Any, parameters: Mapping[str, Any]) -> None:
    given = ["data"] if isinstance(item, dict) and "data" in item else []
    given += [name for name in (_SIZE, _REGION) if name in parameters]
    if len(given) != 1:
        found = " set " + " ".join(f"'{name}'" for name in given) if given else " no field is set"
        raise InvalidRequestError(
            "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
            f"'shared_memory_region' in 'parameters'. But{found}"
        )


def _output(item: Any, wanted: Wanted) -> Asked:
    """One requested output."""
    parameters = object_of(item, "parameters")
    if _REGION in parameters:
        if _CLASSES in parameters:
            raise InvalidRequestError("Output can't set both 'shared_memory_region' and 'classification'")
        if "binary_data" in parameters and bool_of(parameters, "binary_data", doing="set"):
            raise InvalidRequestError("Output can't set both 'shared_memory_region' and 'binary_data'")
    name = text_of(item, "name")
    classes = unsigned_of(parameters, _CLASSES, doing="set") if _CLASSES in parameters else 0
    if _REGION in parameters:
        raise _no_region(parameters)
    wanted.outputs[name] = "binary_data" in parameters and bool_of(parameters, "binary_data")
    return Asked(name, {_CLASSES: Parameter("int64_param", classes)} if classes else {})


def _no_region(parameters: Mapping[str, Any]) -> Exception:
    region = text_of(parameters, _REGION)
    for name in ("shared_memory_offset", "shared_memory_byte_size"):
        if name in parameters:
            unsigned_of(parameters, name)
    return ModelNotFoundError(f"Unable to find shared memory region: '{region}'")


def _values(output: Output) -> list[Any]:
    """The elements of an output as JSON has them, flat."""
    if isinstance(output.data, bytes):
        return _texts(output)
    if output.datatype in ("FP16", "BF16"):
        raise InvalidRequestError(
            f"sending {output.datatype} data via JSON is not supported. Please use the binary data format for output"
        )
    values: list[Any] = output.data.reshape(-1).tolist()
    return values


def _texts(output: Output) -> list[str]:
    """The elements of BYTES; raises InvalidRequestError for one that is no text, which JSON cannot hold."""
    data, texts, place = output.data, [], 0
    assert isinstance(data, bytes)
    try:
        while place < len(data):
            (length,) = STRING_LENGTH.unpack_from(data, place)
            place += STRING_LENGTH.size + length
            texts.append(data[place - length : place].decode())
    except UnicodeDecodeError:
        raise InvalidRequestError(
            f"output '{output.name}' is not UTF-8, which JSON cannot hold. Please use the binary data format for output"
        ) from None
    return texts
