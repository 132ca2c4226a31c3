"""Requests off the wire: what is read without protobuf is what protobuf reads."""

from __future__ import annotations

import random

import pytest
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as messages

from serving.embedded.over_grpc import wire
from serving.embedded.over_grpc.wire import received_request


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_SMALL_BYTES", -1)


def test_large_requests_are_views_of_what_came() -> None:
    """Raw contents are not copied, and everything else is there."""
    request = _request(random.Random(0), contents=[b"one" * 50_000, b"", b"two"])
    received = received_request(data := request.SerializeToString())
    assert received.error is None
    assert [bytes(part) for part in received.raw] == list(request.raw_input_contents)
    assert all(isinstance(part, memoryview) and part.obj is data for part in received.raw)
    assert received.num_bytes == len(data) == request.ByteSize()
    del request.raw_input_contents[:]
    assert received.message == request


def test_small_requests_go_to_protobuf_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their raw contents are those of the message."""
    monkeypatch.setattr(wire, "_SMALL_BYTES", 1000)
    request = _request(random.Random(0), contents=[b"one"])
    received = received_request(request.SerializeToString())
    assert received.message == request
    assert list(received.raw) == [b"one"]


def test_fields_in_any_order_are_read_as_protobuf_reads_them() -> None:
    """Contents between other fields, a field twice, fields that nobody knows: merged and kept as it does."""
    rng = random.Random(1)
    for _ in range(200):
        pieces = [_request(rng).SerializeToString() for _ in range(rng.randrange(1, 5))]
        unknown = [b"\xf8\x07\x05", b"\xf9\x07" + bytes(8), b"\xfd\x07" + bytes(4), b"\xfa\x07\x02hi"]
        rng.shuffle(pieces := pieces + rng.sample(unknown, rng.randrange(3)))
        expected = _as_protobuf(b"".join(pieces))
        assert expected is not None
        assert _as_here(b"".join(pieces)) == expected


def test_spoiled_requests_are_refused_where_protobuf_refuses_them() -> None:
    """Bytes changed, cut off or put in: never another request than protobuf's, never an error of another kind."""
    rng = random.Random(2)
    refused = 0
    for _ in range(3000):
        data = bytearray(_request(rng).SerializeToString())
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(data) + 1)
            match rng.randrange(3):
                case 0:
                    data[place : place + 1] = bytes([rng.randrange(256)])
                case 1:
                    del data[place : place + rng.randrange(1, 9)]
                case 2:
                    data[place:place] = rng.randbytes(rng.randrange(1, 9))
        expected = _as_protobuf(bytes(data))
        assert _as_here(bytes(data)) == expected
        refused += expected is None
    assert 300 < refused < 2900


def _request(rng: random.Random, contents: list[bytes] | None = None) -> messages.ModelInferRequest:
    """With something in every kind of field."""
    request = messages.ModelInferRequest(
        model_name="näme", model_version=str(rng.randrange(3)), id="é" * rng.randrange(3)
    )
    request.parameters["priority"].int64_param = rng.randrange(-5, 5)
    for _ in range(rng.randrange(3)):
        tensor = request.inputs.add(name="image", datatype="UINT8", shape=[rng.randrange(-1, 300) for _ in range(4)])
        tensor.parameters["text"].string_param = "x" * rng.randrange(200)
        tensor.contents.fp32_contents.extend([0.5] * rng.randrange(3))
        request.outputs.add(name="embedding").parameters["classification"].int64_param = 3
    parts = [rng.randbytes(rng.randrange(300)) for _ in range(rng.randrange(4))] if contents is None else contents
    request.raw_input_contents.extend(parts)
    return request


def _as_protobuf(data: bytes) -> tuple[bytes, list[bytes]] | None:
    """What protobuf makes of it, the raw contents apart; None where it refuses it."""
    try:
        request = messages.ModelInferRequest.FromString(data)
    except DecodeError:
        return None
    raw = list(request.raw_input_contents)
    del request.raw_input_contents[:]
    return request.SerializeToString(deterministic=True), raw


def _as_here(data: bytes) -> tuple[bytes, list[bytes]] | None:
    try:
        received = received_request(data)
    except DecodeError:
        return None
    assert received.error is None
    raw = [bytes(part) for part in received.raw]
    message = messages.ModelInferRequest()
    message.CopyFrom(received.message)
    del message.raw_input_contents[:]
    return message.SerializeToString(deterministic=True), raw
