"""Requests of REST as they go over the wire, most of them about model `pets` and one image."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.shared.conformance.cases import some_pixels

PIXELS = some_pixels(1)
RAW = PIXELS.tobytes()
INFER = "/v2/models/pets/infer"


@dataclass(frozen=True)
class RestRequest:
    """Method, path, headers and body."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def get(path: str) -> RestRequest:
    """A GET of a path."""
    return RestRequest("GET", path)


def post(body: bytes = b"", path: str = INFER, **headers: str) -> RestRequest:
    """A POST; `Content_Encoding` stands for the header of that name."""
    return RestRequest("POST", path, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def image(**told: Any) -> dict[str, Any]:
    """The input as JSON has it, with other fields, or without those that are None."""
    whole = {"name": "image", "datatype": "UINT8", "shape": [1, 8, 8, 3], "data": PIXELS.ravel().tolist()} | told
    return {name: value for name, value in whole.items() if value is not None}


def output(**parameters: Any) -> dict[str, Any]:
    """The output with parameters."""
    return {"name": "embedding", "parameters": parameters}


def inference(*inputs: Any, **more: Any) -> bytes:
    """The JSON of an inference: of one right image where no inputs are told, with more fields."""
    return text({"inputs": list(inputs) or [image()], **more})


def asked(*outputs: Any) -> bytes:
    """The JSON of a right inference that names outputs."""
    return inference(outputs=list(outputs))


def told(**parameters: Any) -> bytes:
    """The JSON of a right inference with parameters."""
    return inference(parameters=parameters)


def binary(head: dict[str, Any], tail: bytes) -> RestRequest:
    """JSON and behind it the tensors' bytes."""
    start = text(head)
    return post(start + tail, Inference_Header_Content_Length=str(len(start)))


def sized(size: Any, **more: Any) -> dict[str, Any]:
    """The JSON in front of a body whose image lies behind it, in so many bytes."""
    return {"inputs": [image(data=None, parameters={"binary_data_size": size}, **more)]}


def text(value: Any) -> bytes:
    """JSON."""
    return json.dumps(value).encode()
