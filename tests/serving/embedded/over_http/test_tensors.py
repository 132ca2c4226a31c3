"""Tensors of every data type through the REST front, in JSON and in binary, by a model that gives back what it gets.

The answers are those of tritonserver 2.51 to the same requests, with a Python model that does the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from serving.embedded.operations.recorder import Recorder
from serving.embedded.over_http.app import HttpApp
from serving.embedded.requests.signature import Signature
from serving.embedded.requests.tensors import DTYPES, TensorSpec
from serving.embedded.workers import Workers
from tests.shared.waiting import WAIT_S

IN_BINARY = "Please use the binary data format"
OPEN_SHAPE = "can not be deduced because there are more than one variable-sized dimension"
JSON_VALUES = {
    "BOOL": "[true,false]",
    "UINT8": "[0,255]",
    "UINT16": "[0,65535]",
    "UINT32": "[0,4294967295]",
    "UINT64": "[0,18446744073709551615,9223372036854775808]",
    "INT8": "[-128,127]",
    "INT16": "[-32768,32767]",
    "INT32": "[-2147483648,2147483647]",
    "INT64": "[-9223372036854775808,9223372036854775807]",
    "FP32": "[0.10000000149011612,-1.5,1.0,1.401298464324817e-45,16777216.0,NaN,Infinity,-Infinity]",
    "FP64": "[0.1,5e-324,-0.0,NaN,Infinity,-Infinity]",
    "BYTES": '["a","","é😀","\\u0000x\\"\\\\/\\n"]',
}


class Echo:
    """A model without a batch that answers its input, and the store that holds it alone."""

    version, digest = 1, ""

    def __init__(self, datatype: str, dims: tuple[int, ...] = (-1,), *, num_inputs: int = 1, max_rows: int = 0) -> None:
        inputs = tuple(TensorSpec(f"x{index or ''}", datatype, dims) for index in range(num_inputs))
        self.signature = Signature("echo", max_rows, inputs, (TensorSpec("y", datatype, dims),))

    def find(self, name: str, version: str) -> Echo:
        return self

    @contextmanager
    def running(self, name: str, version: str, *, num_bytes: int) -> Iterator[Echo]:
        yield self

    def infer(self, inputs: dict[str, Any], num_rows: int, *, caller: Any) -> dict[str, Any]:
        return {"y": inputs["x"]}


def ask(model: Echo, body: bytes, **headers: str) -> tuple[int, dict[str, Any], bytes]:
    """Status, JSON and what is behind it, of the answer to an inference."""
    sent: list[Any] = []
    names = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "raw_path": b"/v2/models/echo/infer", "headers": names}
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        return messages.pop(0) if messages else await asyncio.sleep(WAIT_S)

    async def send(message: Any) -> None:
        sent.append(message)

    with Workers(1, "test") as threads:
        options: Any = {"most": 9, "largest": 10**6, "room": 10**6, "quiet_s": WAIT_S, "version": "1", "report": print}
        app = HttpApp(model, threads, recorder=Recorder(), **options)  # type: ignore[arg-type]
        asyncio.run(app(scope, receive, send))
    begin, *rest = sent
    answer = b"".join(message["body"] for message in rest)
    told = dict(begin["headers"])
    length = int(told.get(b"inference-header-content-length", len(answer)))
    return begin["status"], json.loads(answer[:length]), answer[length:]


def head_of(datatype: str, count: int, *, size: int | None = None, data: str = "", binary: bool = False) -> bytes:
    """The JSON of a request for one tensor, with its size behind it or its data in it."""
    parameters = "" if size is None else f',"parameters":{{"binary_data_size":{size}}}'
    data = f',"data":{data}' if data else ""
    outputs = ',"outputs":[{"name":"y","parameters":{"binary_data":true}}]' if binary else ""
    tensor = f'{{"name":"x","datatype":"{datatype}","shape":[{count}]{parameters}{data}}}'
    return f'{{"inputs":[{tensor}]{outputs}}}'.encode()


@pytest.mark.parametrize("datatype", JSON_VALUES)
def test_values_come_back_as_they_went(datatype: str) -> None:
    """In JSON, in every nesting, each type at its limits."""
    text = JSON_VALUES[datatype]
    values = json.loads(text)
    nested = f"[[],[{text[1:].partition(',')[0]}],[[{text[1:].partition(',')[2][:-1]}]]]"
    for data in (text, nested):
        status, told, _ = ask(Echo(datatype), head_of(datatype, len(values), data=data))
        assert status == 200, told
        (output,) = told["outputs"]
        assert (output["name"], output["datatype"], output["shape"]) == ("y", datatype, [len(values)])
        assert json.dumps(output["data"]) == json.dumps(values)


@pytest.mark.parametrize("datatype", DTYPES)
def test_bytes_come_back_as_they_went(datatype: str) -> None:
    """In binary both ways, and in binary one way: what is JSON on one side are the same values."""
    array = np.array([1, 0, 1], DTYPES[datatype])
    raw, count = (b"\1\0\0\0\xff\0\0\0\0", 2) if datatype == "BYTES" else (array.tobytes(), 3)
    head = head_of(datatype, count, size=len(raw), binary=True)
    status, told, behind = ask(Echo(datatype), head + raw, inference_header_content_length=str(len(head)))
    assert (status, behind) == (200, raw)
    assert told["outputs"][0]["parameters"] == {"binary_data_size": len(raw)}
    head = head_of(datatype, count, size=len(raw))
    status, told, behind = ask(Echo(datatype), head + raw, inference_header_content_length=str(len(head)))
    if datatype in ("FP16", "BF16"):
        assert told["error"].startswith(f"sending {datatype} data via JSON is not supported")
    elif datatype == "BYTES":
        assert told["error"].startswith("output 'y' is not UTF-8, which JSON cannot hold")
    else:
        assert (status, told["outputs"][0]["data"], behind) == (200, array.tolist(), b"")


@pytest.mark.parametrize(
    ("datatype", "data", "count", "why"),
    [
        ("FP32", "[true]", 1, "Unable to parse 'data': attempt to access JSON non-number as double"),
        ("INT32", "[[1,2,3]]", 2, "Unable to parse 'data': Shape does not match true shape of 'data' field"),
        ("INT8", "[200]", 1, "Unable to parse 'data': a value of input 'x' is beyond INT8"),
        ("FP64", "[1e999]", 1, "failed to parse the request JSON buffer: Number too big to be stored in double. at 61"),
        (
            "FP16",
            "[1]",
            1,
            "receiving FP16 data via JSON is not supported. Please use the binary data format for input x",
        ),
        (
            "BYTES",
            '["a","b","c"]',
            2,
            "[request id: <id_unknown>] unexpected number of string elements 3 for inference input 'x' for model "
            "'echo', expecting 2",
        ),
        (
            "INT32",
            "[1]",
            2**63,
            "invalid shape for input 'x': shape [9223372036854775808] contains one or more invalid dimensions",
        ),
        (
            "INT32",
            "[1]",
            2**62,
            "byte size overflow for input 'x': element count (4611686018427387904) * data type size (4) exceeds "
            "maximum allowed size (9223372036854775807)",
        ),
    ],
)
def test_wrong_values_are_refused(datatype: str, data: str, count: int, why: str) -> None:
    """In Triton's words; but that Triton wraps around what a type does not hold."""
    status, told, _ = ask(Echo(datatype), head_of(datatype, count, data=data))
    assert (status, told) == (400, {"error": why})


@pytest.mark.parametrize(
    ("model", "body", "shape"),
    [
        (Echo("BYTES", (1,)), b"a file", [1]),
        (Echo("BYTES", (1,), max_rows=4), b"\xff\xfe", [1, 1]),
        (Echo("BYTES", ()), b"", []),
        (Echo("FP32", (-1, 3)), b"abcd" * 6, [2, 3]),
        (Echo("FP32", (-1, 3)), b"", [0, 3]),
        (Echo("UINT8"), b"abcde", [5]),
        (Echo("INT16", (2, 2), max_rows=2), b"abcdefgh", [1, 2, 2]),
    ],
)
def test_raw_body_is_the_only_input(model: Echo, body: bytes, shape: list[int]) -> None:
    """One row of it; the shape is the model's, or follows from the length. The answer is binary, or JSON if asked."""
    status, told, behind = ask(model, body, inference_header_content_length="0")
    assert status == 200, told
    assert told["outputs"][0]["shape"] == shape
    is_text = told["outputs"][0]["datatype"] == "BYTES"
    assert behind == (len(body).to_bytes(4, "little") + body if is_text else body)
    if body != b"\xff\xfe":
        status, told, behind = ask(model, body, inference_header_content_length="0", accept="application/json")
        assert (status, behind) == (200, b"")
        assert "data" in told["outputs"][0]


@pytest.mark.parametrize(
    ("model", "body", "why"),
    [
        (Echo("BYTES"), b"x", "For BYTE datatype raw input 'x', the model must have input shape [1]"),
        (Echo("BYTES", (2,)), b"x", "For BYTE datatype raw input 'x', the model must have input shape [1]"),
        (
            Echo("FP32", (-1, -1)),
            b"x",
            f"The shape of the raw input 'x' {OPEN_SHAPE}",
        ),
        (
            Echo("FP32", (1,), num_inputs=2),
            b"x",
            "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'echo' model configuration",
        ),
        (Echo("FP32"), b"abcde", "input byte size mismatch for input 'x' for model 'echo'. Expected 4, got 5"),
        (Echo("FP32", (-1, 0)), b"abcd", "input byte size mismatch for input 'x' for model 'echo'. Expected 0, got 4"),
    ],
)
def test_raw_body_that_fits_no_input_is_refused(model: Echo, body: bytes, why: str) -> None:
    """In Triton's words."""
    status, told, _ = ask(model, body, inference_header_content_length="0")
    assert (status, told) == (400, {"error": f"[request id: <id_unknown>] {why}"})
