"""The table of wrong requests: what each of them is, and how tritonserver 2.51 refused it.

{prefix} is `[request id: ...] `, which some texts begin with and some do not; every case runs with an id and without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.shared.conformance.served import Refusal, column, frame, request
from tests.shared.pictures import pictures

BATCH_NOTE = (
    " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each "
    "input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting "
    "max_batch_size to zero. See the model configuration docs for more info on max_batch_size."
)


@dataclass(frozen=True)
class Case:
    """One wrong request and its refusal; `spoil` is applied to the message that model, tensors and options make."""

    status: str
    text: str
    model: str
    tensors: dict[str, np.ndarray]
    options: dict[str, Any]
    spoil: Callable[[Any], object] = lambda message: None

    def message(self, id: str) -> Any:  # noqa: A002 - the protocol's name
        message = request(self.model, self.tensors, id=id, **self.options)
        self.spoil(message)
        return message


def some_pixels(rows: int) -> np.ndarray:
    """uint8 [rows, 8, 8, 3] for model `pets`, every row another."""
    return np.arange(rows * 192, dtype=np.uint8).reshape(rows, 8, 8, 3)


def _case(
    refusal: Refusal,
    tensors: dict[str, np.ndarray] | None = None,
    *,
    model: str = "pets",
    spoil: Callable[[Any], object] = lambda message: None,
    **options: Any,
) -> Case:
    return Case(*refusal, model, {"image": some_pixels(1)} if tensors is None else tensors, options, spoil)


def _invalid(text: str) -> Refusal:
    return "INVALID_ARGUMENT", text


def _shape(model: str, expected: str, got: str, name: str = "image") -> Refusal:
    text = f"unexpected shape for input '{name}' for model '{model}'. Expected [{expected}], got [{got}]."
    return _invalid("{prefix}" + text + BATCH_NOTE)


def _raw(contents: bytes) -> Callable[[Any], object]:
    """Replace the raw bytes of the first input."""

    def spoil(message: Any) -> None:
        message.raw_input_contents[0] = contents

    return spoil


_PNG = pictures()["png"]
_PAIR = {"left": some_pixels(1), "right": some_pixels(1)}
_PAIR_SIZE = np.zeros((1, 12, 12, 3), np.uint8)

CASES: dict[str, Case] = {
    "unknown model": _case(("NOT_FOUND", "Request for unknown model: 'nope' is not found"), model="nope"),
    "empty name": _case(("NOT_FOUND", "Request for unknown model: '' is not found"), model=""),
    "path as name": _case(("NOT_FOUND", "Request for unknown model: '../pets' is not found"), model="../pets"),
    "unknown version": _case(("NOT_FOUND", "Request for unknown model: 'pets' version 9 is not found"), version="9"),
    "unknown version of an ensemble": _case(
        ("NOT_FOUND", "Request for unknown model: 'pets_encoded' version 9 is not found"),
        {"image": column([_PNG])},
        model="pets_encoded",
        version="9",
    ),
    "version 0": _case(("NOT_FOUND", "Request for unknown model: 'pets' version 0 is not found"), version="0"),
    "version -1": _case(
        _invalid("invalid model version specified '-1' , version should be an integral value > 0"), version="-1"
    ),
    "version abc": _case(
        _invalid(
            "failed to get model version from specified version string 'abc' (details: stol), version should be an "
            "integral value > 0"
        ),
        version="abc",
    ),
    "float pixels": _case(
        _invalid("{prefix}inference input 'image' data-type is 'FP32', but model 'pets' expects 'UINT8'"),
        {"image": some_pixels(1).astype(np.float32)},
    ),
    "an encoded image where pixels go": _case(
        _invalid("{prefix}inference input 'image' data-type is 'BYTES', but model 'pets' expects 'UINT8'"),
        {"image": column([_PNG])},
    ),
    "pixels where an encoded image goes": _case(
        _invalid("{prefix}inference input 'image' data-type is 'UINT8', but model 'pets_encoded' expects 'BYTES'"),
        model="pets_encoded",
    ),
    "unknown data type": _case(
        _invalid("{prefix}inference input 'image' data-type is '<invalid>', but model 'pets' expects 'UINT8'"),
        spoil=lambda message: setattr(message.inputs[0], "datatype", "FOO"),
    ),
    "another size": _case(_shape("pets", "-1,8,8,3", "1,9,8,3"), {"image": np.zeros((1, 9, 8, 3), np.uint8)}),
    "no batch": _case(_shape("pets", "-1,8,8,3", "8,8,3"), {"image": some_pixels(1)[0]}),
    "batch of batches": _case(_shape("pets", "-1,8,8,3", "1,1,8,8,3"), {"image": some_pixels(1)[None]}),
    "negative side": _case(
        _shape("pets", "-1,8,8,3", "1,-8,8,3"), spoil=lambda message: message.inputs[0].shape.__setitem__(1, -8)
    ),
    "two images a row": _case(
        _shape("pets_encoded", "-1,1", "1,2"), {"image": column([_PNG, _PNG]).reshape(1, 2)}, model="pets_encoded"
    ),
    "images without a column": _case(
        _shape("pets_encoded", "-1,1", "1"), {"image": column([_PNG])[0]}, model="pets_encoded"
    ),
    "no shape": _case(
        _invalid("{prefix}input 'image' has no shape but model requires batch dimension for 'pets'"),
        {"image": np.array(7, np.uint8)},
    ),
    "batch over the limit": _case(
        _invalid("{prefix}inference request batch-size must be <= 64 for 'pets'"), {"image": some_pixels(65)}
    ),
    "encoded batch over the limit": _case(
        _invalid("{prefix}inference request batch-size must be <= 64 for 'pets_encoded'"),
        {"image": column([_PNG] * 65)},
        model="pets_encoded",
    ),
    "no rows": _case(
        _invalid("{prefix}input byte size mismatch for input 'image' for model 'pets'. Expected 192, got 0"),
        {"image": some_pixels(0)},
    ),
    "no encoded rows": _case(
        _invalid("{prefix}expected 1 string elements for inference input 'image' for model 'pets_encoded', got 0"),
        {"image": column([])},
        model="pets_encoded",
    ),
    "bytes too few": _case(
        _invalid("{prefix}input byte size mismatch for input 'image' for model 'pets'. Expected 192, got 10"),
        spoil=_raw(b"0123456789"),
    ),
    "bytes too many": _case(
        _invalid("{prefix}input byte size mismatch for input 'image' for model 'pets'. Expected 192, got 384"),
        spoil=_raw(b"x" * 384),
    ),
    "no inputs": _case(
        _invalid(
            "{prefix}expected 1 inputs but got 0 inputs for model 'pets'. Got input(s) [], but missing required "
            "input(s) ['image']. Please provide all required input(s)."
        ),
        {},
    ),
    "missing stream": _case(
        _invalid(
            "{prefix}expected 2 inputs but got 1 inputs for model 'pairs_encoded'. Got input(s) ['left'], but missing "
            "required input(s) ['right']. Please provide all required input(s)."
        ),
        {"left": column([_PNG])},
        model="pairs_encoded",
    ),
    "unknown input": _case(_invalid("unexpected inference input 'foo' for model 'pets'"), {"foo": some_pixels(1)}),
    "input twice": _case(
        _invalid("{prefix}input 'image' already exists in request"),
        spoil=lambda message: (
            message.inputs.append(message.inputs[0]),
            message.raw_input_contents.append(message.raw_input_contents[0]),
        ),
    ),
    "streams of different length": _case(
        _invalid("{prefix}input 'left' batch size does not match other inputs for 'pairs'"),
        {"left": _PAIR_SIZE, "right": np.concatenate([_PAIR_SIZE, _PAIR_SIZE])},
        model="pairs",
    ),
    "encoded streams of different length": _case(
        _invalid("{prefix}input 'left' batch size does not match other inputs for 'pairs_encoded'"),
        {"left": column([_PNG]), "right": column([_PNG, _PNG])},
        model="pairs_encoded",
    ),
    "unknown output": _case(_invalid("unexpected inference output 'bar' for model 'pets'"), outputs=["bar"]),
    "no data": _case(
        _invalid("unable to find data for input tensor 'image' for model 'pets' in request."),
        spoil=lambda message: message.raw_input_contents.pop(),
    ),
    "data for one input of two": _case(
        _invalid("unable to find data for input tensor 'right' for model 'pairs' in request."),
        {"left": _PAIR_SIZE, "right": _PAIR_SIZE},
        model="pairs",
        spoil=lambda message: message.raw_input_contents.pop(),
    ),
    "raw bytes and contents": _case(
        _invalid("contents field must not be specified when using raw_input_contents for 'image' for model 'pets'"),
        spoil=lambda message: message.inputs[0].contents.uint_contents.append(1),
    ),
    "cut-off image": _case(
        _invalid(
            "in ensemble 'pets_encoded', incomplete string data for inference input 'image', expecting string of "
            "length 633 but only 628 bytes available"
        ),
        {"image": column([b"x" * 633])},
        model="pets_encoded",
        spoil=_raw(frame([b"x" * 633])[:-5]),
    ),
    "cut-off image to NAME_decode": _case(
        _invalid(
            "incomplete string data for inference input 'image', expecting string of length 633 but only 628 bytes "
            "available"
        ),
        {"image": column([b"x" * 633])},
        model="pets_decode",
        spoil=_raw(frame([b"x" * 633])[:-5]),
    ),
    "cut-off length": _case(
        _invalid(
            "{prefix}incomplete string length indicator for inference input 'image' for model 'pets_encoded', "
            "expecting 4 bytes but only 2 bytes available. Please make sure the string length indicator is in one "
            "buffer."
        ),
        {"image": column([_PNG])},
        model="pets_encoded",
        spoil=_raw(b"ab"),
    ),
    "fewer images than rows": _case(
        _invalid("{prefix}expected 2 string elements for inference input 'image' for model 'pets_encoded', got 1"),
        {"image": column([_PNG, _PNG])},
        model="pets_encoded",
        spoil=_raw(frame([_PNG])),
    ),
    "more images than rows": _case(
        _invalid(
            "{prefix}unexpected number of string elements 2 for inference input 'image' for model 'pets_encoded', "
            "expecting 1"
        ),
        {"image": column([_PNG])},
        model="pets_encoded",
        spoil=_raw(frame([_PNG, _PNG])),
    ),
}
