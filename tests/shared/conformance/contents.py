"""Data in `contents` instead of raw bytes, of every field and data type: a row each, for gRPC alone has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import service_pb2 as messages

from tests.shared.conformance.cases import some_pixels
from tests.shared.conformance.served import BRANCH, Array, Refusal, column, frame, request
from tests.shared.pictures import pictures

_PIXELS = some_pixels(1)
_VALUES = _PIXELS.ravel().tolist()
_PNG = pictures()["png"]


@dataclass(frozen=True)
class ContentsCase:
    """A message, and its refusal or the vectors of its answer; `ours` where they are others than Triton 2.51's."""

    message: Any
    triton: Refusal | Array
    ours: Refusal | None = None

    def expected(self, server: str) -> Refusal | Array:
        """What a server must say: `triton` or `embedded`."""
        return self.triton if server == "triton" or self.ours is None else self.ours


def _vectors(pixels: Array) -> Array:
    return BRANCH.outputs({"image": pixels})["embedding"]


def _typed(*fields: tuple[str, Sequence[Any]], **told: Any) -> Any:
    """A request with values in fields of `contents`."""
    whole = {"name": "image", "datatype": "UINT8", "shape": (1, 8, 8, 3), "model": "pets"} | told
    message = messages.ModelInferRequest(model_name=whole.pop("model"))
    tensor = message.inputs.add(**whole)
    for field, values in fields:
        getattr(tensor.contents, field).extend(values)
    return message


def _encoded(*fields: tuple[str, Sequence[Any]], rows: int = 1) -> Any:
    return _typed(*fields, datatype="BYTES", shape=(rows, 1), model="pets_encoded")


def _pair(spoil: Callable[[Any], object]) -> Any:
    """A request of two streams, of which the second has no raw bytes."""
    pixels = _PIXELS.repeat(3)[:432].reshape(1, 12, 12, 3)
    message = request("pairs", {"left": pixels, "right": pixels})
    message.raw_input_contents.pop()
    spoil(message)
    return message


def _invalid(text: str) -> Refusal:
    return "INVALID_ARGUMENT", text


def _of_type(found: str, expected: str, model: str = "pets") -> Refusal:
    return _invalid(
        f"unexpected explicit tensor data for input tensor 'image' for model '{model}' of type '{found}', expected "
        f"datatype '{expected}'"
    )


def _size(got: int) -> Refusal:
    return _invalid(
        "[request id: <id_unknown>] input byte size mismatch for input 'image' for model 'pets'. Expected 192, "
        f"got {got}"
    )


def _both(name: str) -> Refusal:
    return _invalid(
        f"contents field must not be specified when using raw_input_contents for '{name}' for model 'pairs'"
    )


_UINT = ("uint_contents", _VALUES)
_OTHER_FIELDS = {
    "int_contents": "INT32",
    "int64_contents": "INT64",
    "uint64_contents": "UINT64",
    "fp32_contents": "FP32",
    "fp64_contents": "FP64",
}
_OTHER_TYPES = ("BOOL", "INT8", "INT16", "INT32", "INT64", "UINT64", "FP16", "FP32", "FP64", "BF16", "BYTES")
_ALIKE = ("UINT16", "UINT32")
"""The types that have the field of UINT8."""

CASES: dict[str, ContentsCase] = {
    "pixels": ContentsCase(_typed(_UINT), _vectors(_PIXELS)),
    **{
        f"pixels in {field}": ContentsCase(_typed((field, _VALUES)), _of_type(found, "UINT8"))
        for field, found in _OTHER_FIELDS.items()
    },
    "pixels in bool_contents": ContentsCase(_typed(("bool_contents", [True] * 192)), _of_type("BOOL", "UINT8")),
    "pixels in bytes_contents": ContentsCase(_typed(("bytes_contents", [b"x"] * 192)), _of_type("BYTES", "UINT8")),
    **{
        f"pixels called {datatype}": ContentsCase(_typed(_UINT, datatype=datatype), _of_type("UINT32", datatype))
        for datatype in _OTHER_TYPES
    },
    **{
        f"pixels called {datatype}": ContentsCase(
            _typed(_UINT, datatype=datatype),
            _invalid(
                f"[request id: <id_unknown>] inference input 'image' data-type is '{datatype}', but model 'pets' "
                "expects 'UINT8'"
            ),
        )
        for datatype in _ALIKE
    },
    "too few values": ContentsCase(_typed(("uint_contents", _VALUES[:5])), _size(5)),
    "too many values": ContentsCase(_typed(("uint_contents", [*_VALUES, 1])), _size(193)),
    "no values": ContentsCase(
        _typed(), _invalid("unable to find data for input tensor 'image' for model 'pets' in request.")
    ),
    "values beyond the type": ContentsCase(
        _typed(("uint_contents", [300] * 192)),
        _vectors(some_pixels(1) * 0 + 44),
        _invalid("value 300 for input tensor 'image' for model 'pets' is over 255, the largest UINT8"),
    ),
    "two fields": ContentsCase(_typed(_UINT, ("int_contents", _VALUES)), _of_type("INT32", "UINT8")),
    "a value in another field": ContentsCase(_typed(_UINT, ("int_contents", [1])), _of_type("INT32", "UINT8")),
    "two other fields": ContentsCase(
        _typed(("fp32_contents", _VALUES), ("int_contents", _VALUES)), _of_type("INT32", "UINT8")
    ),
    "an image": ContentsCase(_encoded(("bytes_contents", [_PNG])), _vectors(BRANCH.pixels([_PNG]))),
    "images": ContentsCase(_encoded(("bytes_contents", [_PNG] * 3), rows=3), _vectors(BRANCH.pixels([_PNG] * 3))),
    "too few images": ContentsCase(
        _encoded(("bytes_contents", [_PNG]), rows=2),
        _invalid(
            "[request id: <id_unknown>] expected 2 string elements for inference input 'image' for model "
            "'pets_encoded', got 1"
        ),
    ),
    "too many images": ContentsCase(
        _encoded(("bytes_contents", [_PNG, _PNG])),
        _invalid(
            "[request id: <id_unknown>] unexpected number of string elements 2 for inference input 'image' for model "
            "'pets_encoded', expecting 1"
        ),
    ),
    "no images": ContentsCase(
        _encoded(), _invalid("unable to find data for input tensor 'image' for model 'pets_encoded' in request.")
    ),
    "numbers for images": ContentsCase(
        _encoded(("uint_contents", [1])), _of_type("UINT32", "BYTES", model="pets_encoded")
    ),
    "raw bytes for the first of two inputs": ContentsCase(
        _pair(lambda message: message.inputs[1].contents.uint_contents.extend([0] * 432)), _both("right")
    ),
    "raw bytes for the second of two inputs": ContentsCase(
        _pair(lambda message: message.inputs[0].contents.uint_contents.extend([0] * 432)), _both("left")
    ),
    "framed images": ContentsCase(
        _encoded(("bytes_contents", [frame(column([_PNG]).ravel())])),
        _invalid(
            "in ensemble 'pets_encoded', cannot read 1 of 1 images: [row 0, image] not an image in any of JPEG, PNG, "
            f"WEBP, GIF, BMP, TIFF, PPM (starts with {frame([_PNG])[:8]!r})"
        ),
    ),
}
