"""Conversions of the protocol's messages into the server's own words and back, by tritonclient's generated classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2 as messages

from artifact.errors import InvalidRequestError
from artifact.repository.triton_config import ModelConfig
from serving.embedded.batcher import Arrays
from serving.embedded.request_parameters import check_parameters, refuse_region
from serving.embedded.servables import Servable
from serving.embedded.signature import Signature
from serving.embedded.statistics import BatchCounts, Duration
from serving.embedded.tensors import Tensor, TensorSpec, largest
from serving.protocol import BYTES, DIGEST_IN_ANSWER, FP32, UINT8, join_strings

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

TYPED = {UINT8: "uint_contents", BYTES: "bytes_contents"}
"""The field of typed contents that holds a data type of our models."""


def read_tensors(request: Any, model: str) -> list[Tensor]:
    """The inputs of a ModelInferRequest, raw or typed, as they came.

    Raises:
        InvalidRequestError: a parameter of another kind, no data for an input, both kinds of data, or typed contents of
            another type.
        ModelNotFoundError: data in shared memory, of which this server has none.
    """
    check_parameters(request.parameters)
    raw = request.raw_input_contents
    tensors = []
    for index, tensor in enumerate(request.inputs):
        refuse_region(tensor)
        place = f"'{tensor.name}' for model '{model}'"
        if not raw:
            data = _typed(tensor, model) if tensor.HasField("contents") else None
        elif tensor.HasField("contents"):
            raise InvalidRequestError(f"contents field must not be specified when using raw_input_contents for {place}")
        else:
            data = raw[index] if index < len(raw) else None
        if data is None:
            raise InvalidRequestError(f"unable to find data for input tensor {place} in request.")
        tensors.append(Tensor(tensor.name, tensor.datatype, tuple(tensor.shape), data))
    return tensors


def _typed(tensor: Any, model: str) -> bytes | list[bytes]:
    """Typed contents: raw bytes of UINT8, elements of BYTES."""
    expected = TYPED.get(tensor.datatype)
    for field, datatype in CONTENTS.items():
        if field != expected and len(getattr(tensor.contents, field)):
            raise InvalidRequestError(
                f"unexpected explicit tensor data for input tensor '{tensor.name}' for model '{model}' of type "
                f"'{datatype}', expected datatype '{tensor.datatype}'"
            )
    if tensor.datatype == BYTES:
        return list(tensor.contents.bytes_contents)
    values = np.array(tensor.contents.uint_contents, np.uint32)
    if values.max(initial=0) > 255:
        raise InvalidRequestError(
            f"value {values.max()} for input tensor '{tensor.name}' for model '{model}' is over 255, the largest UINT8"
        )
    return values.astype(np.uint8).tobytes()


def infer_response(
    request: Any, servable: Servable, outputs: Sequence[TensorSpec], arrays: Arrays, *, classes: Mapping[str, int]
) -> Any:
    """The ModelInferResponse of a request: the outputs asked for, raw.

    Args:
        classes: {output: how many of its largest values are to be told as text}; see `largest`.
    """
    response = messages.ModelInferResponse(
        model_name=request.model_name, model_version=str(servable.version), id=request.id
    )
    if servable.digest:
        response.parameters[DIGEST_IN_ANSWER].string_param = servable.digest
    for spec in outputs:
        array = arrays[spec.name]
        if spec.name in classes:
            rows = largest(array, classes[spec.name])
            response.outputs.add(name=spec.name, datatype=BYTES, shape=(len(rows), len(rows[0])))
            response.raw_output_contents.append(join_strings(text for row in rows for text in row))
            continue
        response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        response.raw_output_contents.append(array.tobytes())
    return response


def metadata_response(signature: Signature, versions: Sequence[int], platform: str) -> Any:
    """Names, types and shapes of a model, -1 for the batch."""
    response = messages.ModelMetadataResponse(
        name=signature.model, versions=[str(version) for version in versions], platform=platform
    )
    for specs, field in ((signature.inputs, response.inputs), (signature.outputs, response.outputs)):
        for spec in specs:
            field.add(name=spec.name, datatype=spec.datatype, shape=(-1, *spec.dims))
    return response


def config_response(name: str, config: ModelConfig) -> Any:
    """A config as the repository has it, under the name of its folder."""
    response = messages.ModelConfigResponse(config=config)
    response.config.name = name
    return response


def statistics_message(name: str, servable: Servable) -> Any:
    """ModelStatistics of one version."""
    counted = servable.statistics
    message = messages.ModelStatistics(name=name, version=str(servable.version))
    with counted.lock:
        message.last_inference = counted.last_inference_ms
        message.inference_count = counted.inference_count
        message.execution_count = counted.execution_count
        for field, duration in (("success", counted.success), ("fail", counted.fail), ("queue", counted.queue)):
            _set(getattr(message.inference_stats, field), duration)
        _set_parts(message.inference_stats, counted.requests)
        _set(message.inference_stats.cache_hit, Duration())
        _set(message.inference_stats.cache_miss, Duration())
        for num_rows, counts in sorted(counted.batches.items()):
            _set_parts(message.batch_stats.add(batch_size=num_rows), counts)
    return message


def _set_parts(message: Any, counts: BatchCounts) -> None:
    _set(message.compute_input, counts.compute_input)
    _set(message.compute_infer, counts.compute_infer)
    _set(message.compute_output, counts.compute_output)


def _set(message: Any, duration: Duration) -> None:
    message.SetInParent()
    message.count, message.ns = duration.count, duration.ns
