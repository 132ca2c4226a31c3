"""Malformed requests without end: right ones, spoilt in a few places, each by its number and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tritonclient.grpc import service_pb2 as messages

from tests.shared.any_messages import RIGHT_INFERENCES
from tests.shared.conformance.over_rest.requests import INFER, RAW, asked, binary, image, inference, output, sized

Spoil = Callable[[random.Random, bytearray], None]
_ODD = (b"\x00", b"\xff", b"\n", b"\r\n", b"{", b"}", b"[", b'"', b"\\u0000", b"-1", b"1e999", b"\xff\xff\xff\xff\x0f")


def _http(body: bytes, path: str = INFER, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


_SIZED = binary(sized(192), RAW)
RIGHT_HTTP = (
    _http(inference()),
    _http(inference(image(), image())),
    _http(asked(output(classification=2))),
    _http(_SIZED.body, INFER, *(f"{name}: {value}" for name, value in _SIZED.headers.items())),
    _http(RAW, INFER, "Inference-Header-Content-Length: 0"),
    _http(b'{"ready":true}', "/v2/repository/index"),
    b"GET /v2/models/pets HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v2/models/pets/config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v2/models/stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
)


def grpc_bytes(number: int) -> bytes:
    """The bytes of a ModelInferRequest with other fields; a quarter of them spoilt as bytes, and mostly no message."""
    chance = random.Random(number)
    data = chance.choice(RIGHT_INFERENCES)
    if chance.random() < 0.25:
        return _changed(chance, data)
    message = messages.ModelInferRequest.FromString(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        chance.choice(_FIELDS)(chance, message)
    return bytes(message.SerializeToString())


def http_bytes(number: int) -> bytes:
    """What goes over one connection; mostly spoilt behind the head, for a broken head never reaches our code."""
    chance = random.Random(number)
    whole = chance.choice(RIGHT_HTTP)
    if chance.random() < 0.25:
        return _changed(chance, whole)
    head, gap, body = whole.partition(b"\r\n\r\n")
    body = _changed(chance, body) if body else body
    if chance.random() < 0.8:  # the head tells the length that the body has now
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
        head = b"\r\n".join([*lines, b"Content-Length: %d" % len(body)])
    if chance.random() < 0.3:
        first, _, rest = head.partition(b"\r\n")
        head = _changed(chance, first) + b"\r\n" + rest
    return head + gap + body


def _names(chance: random.Random, message: Any) -> None:
    message.model_name = chance.choice(("pets", "pairs", "pets_decode", "moving_encoded", "nope", "", "../pets"))


def _versions(chance: random.Random, message: Any) -> None:
    message.model_version = chance.choice(("1", "2", "0", "-1", "x", "9" * 30))


def _shapes(chance: random.Random, message: Any) -> None:
    for tensor in message.inputs:
        tensor.shape[:] = [chance.choice((0, 1, 2, 8, -1, 2**62, 2**63 - 1)) for _ in range(chance.randrange(6))]


def _inputs(chance: random.Random, message: Any) -> None:
    message.inputs.add(name=chance.choice(("image", "left", "x")), datatype="UINT8", shape=[1])


def _datatypes(chance: random.Random, message: Any) -> None:
    for tensor in message.inputs:
        tensor.datatype = chance.choice(("UINT8", "BYTES", "FP32", "BF16", "FOO", ""))


def _raw(chance: random.Random, message: Any) -> None:
    for index in range(len(message.raw_input_contents)):
        message.raw_input_contents[index] = _changed(chance, message.raw_input_contents[index])


def _contents(chance: random.Random, message: Any) -> None:
    if chance.random() < 0.5:
        del message.raw_input_contents[:]
    for tensor in message.inputs:
        tensor.contents.uint_contents.extend(chance.randrange(2**32) for _ in range(chance.choice((1, 192, 193))))


def _parameters(chance: random.Random, message: Any) -> None:
    name = chance.choice(("priority", "timeout", "sequence_id", "triton_x", "shared_memory_region", "y" * 50))
    of = chance.choice([message, *message.inputs, *message.outputs])
    if chance.random() < 0.5:
        of.parameters[name].int64_param = chance.randrange(-(2**63), 2**63)
    else:
        of.parameters[name].string_param = "x" * chance.randrange(30)


def _outputs(chance: random.Random, message: Any) -> None:
    output = message.outputs.add(name=chance.choice(("embedding", "embedding", "image_pixels", "nope")))
    output.parameters["classification"].int64_param = chance.choice((-1, 0, 1, 2**40))


_FIELDS = (_names, _versions, _shapes, _inputs, _datatypes, _raw, _contents, _parameters, _outputs)


def _changed(chance: random.Random, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        chance.choice(_SPOILS)(chance, data)
    return bytes(data)


def _flip(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(chance: random.Random, data: bytearray) -> None:
    place = chance.randrange(len(data) + 1)
    del data[place : place + chance.choice((1, 4, 64, len(data)))]


def _insert(chance: random.Random, data: bytearray) -> None:
    place = chance.randrange(len(data) + 1)
    data[place:place] = chance.choice((*_ODD, chance.randbytes(chance.randrange(1, 40))))


def _double(chance: random.Random, data: bytearray) -> None:
    place = chance.randrange(len(data) + 1)
    data[place:place] = data[place : place + chance.choice((2, 16, 200))]


_SPOILS: tuple[Spoil, ...] = (_flip, _flip, _cut, _insert, _double)
