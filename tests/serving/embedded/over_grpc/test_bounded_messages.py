"""The look at a request's bytes: what it lets through is what protobuf reads, what it refuses is too much."""

from __future__ import annotations

import random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as messages

from serving.embedded.over_grpc.wire import received_request


def request(num_inputs: int, num_bytes: int, *, parameters: int = 0) -> Any:
    made = messages.ModelInferRequest(model_name="m", id="7")
    for index in range(num_inputs):
        tensor = made.inputs.add(name=f"i{index}", datatype="UINT8", shape=[1, 2**40, -3])
        for number in range(parameters):
            tensor.parameters[f"p{number}"].double_param = number
        made.outputs.add(name=f"o{index}")
        made.raw_input_contents.append(bytes(num_bytes))
    made.parameters["timeout"].int64_param = -1
    return made


def read(data: bytes) -> Any:
    """What is read of the bytes of a message, as one message."""
    received = received_request(data)
    assert received.error is None
    whole = messages.ModelInferRequest()
    whole.CopyFrom(received.message)
    whole.raw_input_contents[:] = [bytes(raw) for raw in received.raw]
    return whole


@pytest.mark.parametrize(
    "whole",
    [
        request(1, 0),
        request(1, 10_000_000),
        request(4096, 100),
        request(1, 5, parameters=4096),
        request(64, 5000, parameters=64),
    ],
    ids=["small", "large", "many", "parameters", "all"],
)
def test_requests_within_bounds_are_parsed(whole: Any) -> None:
    """To what protobuf makes of them."""
    assert read(whole.SerializeToString()) == whole


def test_typed_contents_are_no_fields_of_a_tensor() -> None:
    """Their elements are not counted, packed or not."""
    whole = messages.ModelInferRequest(model_name="m")
    whole.inputs.add(name="a").contents.fp32_contents.extend([1.5] * 100_000)
    whole.inputs.add(name="b").contents.bytes_contents.extend([b"x"] * 100_000)
    assert read(whole.SerializeToString()) == whole


@pytest.mark.parametrize(
    ("whole", "what"),
    [
        (request(4097, 20), "inputs"),
        (request(1, 5, parameters=4097), "parameters of tensors"),
        (request(64, 5, parameters=65), "parameters of tensors"),
    ],
)
def test_requests_out_of_bounds_stay_bytes(whole: Any, what: str) -> None:
    """Also where the tensors share what is too much."""
    received = received_request(whole.SerializeToString())
    assert (received.message.ByteSize(), list(received.raw)) == (0, [])
    assert str(received.error) == f"a request may have at most 4096 {what}, got 4097"


def test_broken_bytes_are_protobufs_to_refuse() -> None:
    """Cut anywhere, or changed anywhere: the look raises nothing of its own, and refuses nothing that parses."""
    rng = random.Random(5)
    whole = request(40, 2000, parameters=9).SerializeToString()
    num_parsed = 0
    for _ in range(300):
        data = bytearray(whole[: rng.randrange(70_000, len(whole))] if rng.random() < 0.5 else whole)
        for _ in range(rng.randrange(3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            expected = messages.ModelInferRequest.FromString(bytes(data))
        except DecodeError:
            with pytest.raises(DecodeError):
                read(bytes(data))
            continue
        assert read(bytes(data)).SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
        num_parsed += 1
    assert num_parsed > 30
