"""Properties of tensors: every data type comes out as it went in, by raw bytes, by typed contents and by JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.grpc import service_pb2 as messages

from serving.embedded.answering.inference import Answer, Output
from serving.embedded.over_grpc.messages import TYPED, infer_response
from serving.embedded.over_grpc.messages import read_request as read_message
from serving.embedded.over_http.inference import Wanted
from serving.embedded.over_http.inference import infer_response as http_response
from serving.embedded.over_http.inference import read_request as read_json
from serving.embedded.requests.signature import Signature
from serving.embedded.requests.tensors import DTYPES, TensorSpec
from tests.shared.conformance.served import frame

NUMBERS = [name for name in DTYPES if name != "BYTES"]
HALF = ("FP16", "BF16")
"""Triton takes and gives them as raw bytes only."""
IN_JSON = [name for name in NUMBERS if name not in HALF]
some = settings(max_examples=20, deadline=None, derandomize=True)


def values(datatype: str, *, is_finite: bool = False) -> st.SearchStrategy[np.ndarray[Any, Any]]:
    """Arrays [rows, ...] of a data type, of up to three dimensions; NaN only where bits are not compared."""
    dtype = np.dtype(DTYPES[datatype])
    options = {"allow_nan": False, "allow_infinity": not is_finite} if dtype.kind == "f" else {}
    elements = arrays.from_dtype(dtype, **options)
    return arrays.arrays(dtype, arrays.array_shapes(max_dims=3, max_side=4), elements=elements)


def signature(array: np.ndarray[Any, Any], datatype: str) -> Signature:
    """A model with this one input, whose first dimension is the batch."""
    return Signature("model", 64, (TensorSpec("x", datatype, array.shape[1:]),), ())


def arrived(array: np.ndarray[Any, Any], datatype: str, read: Any) -> np.ndarray[Any, Any]:
    """What the model would be given."""
    num_rows, inputs = signature(array, datatype).read_inputs(read.inputs, label="")
    assert num_rows == len(array)
    return inputs["x"]


def message_of(array: np.ndarray[Any, Any], datatype: str) -> Any:
    message = messages.ModelInferRequest(model_name="model")
    message.inputs.add(name="x", datatype=datatype, shape=array.shape)
    return message


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_arrive_as_raw_bytes(datatype: str) -> None:
    """To the bit."""

    @some
    @given(array=values(datatype))
    def check(array: np.ndarray[Any, Any]) -> None:
        message = message_of(array, datatype)
        message.raw_input_contents.append(array.tobytes())
        got = arrived(array, datatype, read_message(message, message.raw_input_contents))
        assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())

    check()


@pytest.mark.parametrize("datatype", [name for name in NUMBERS if name in TYPED])
def test_numbers_arrive_as_typed_contents(datatype: str) -> None:
    """The same values as by raw bytes."""

    @some
    @given(array=values(datatype))
    def check(array: np.ndarray[Any, Any]) -> None:
        message = message_of(array, datatype)
        getattr(message.inputs[0].contents, TYPED[datatype]).extend(array.ravel().tolist())
        got = arrived(array, datatype, read_message(message, message.raw_input_contents))
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got, array)

    check()


@pytest.mark.parametrize("datatype", IN_JSON)
def test_numbers_arrive_as_json(datatype: str) -> None:
    """Flat or nested, the same values; what JSON has no words for (infinity) goes by raw bytes only."""

    @some
    @given(array=values(datatype, is_finite=True), is_nested=st.booleans())
    def check(array: np.ndarray[Any, Any], is_nested: bool) -> None:
        told = array.tolist() if is_nested else array.ravel().tolist()
        item = {"name": "x", "datatype": datatype, "shape": list(array.shape), "data": told}
        body = json.dumps({"inputs": [item]}).encode()
        got = arrived(array, datatype, read_json(body, len(body), "model", "", Wanted()))
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got, array)

    check()


@some
@given(elements=st.lists(st.binary(max_size=20), min_size=1, max_size=5), is_raw=st.booleans())
def test_bytes_arrive_framed_and_typed(elements: list[bytes], is_raw: bool) -> None:
    """Elements of any bytes, also none, by raw framing and by typed contents."""
    array = np.array(elements, object).reshape(-1, 1)
    message = message_of(array, "BYTES")
    if is_raw:
        message.raw_input_contents.append(frame(elements))
    else:
        message.inputs[0].contents.bytes_contents.extend(elements)
    assert arrived(array, "BYTES", read_message(message, message.raw_input_contents)).ravel().tolist() == elements


@some
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=4))
def test_texts_arrive_as_json(texts: list[str]) -> None:
    """As UTF-8."""
    array = np.array(texts, object).reshape(-1, 1)
    item = {"name": "x", "datatype": "BYTES", "shape": list(array.shape), "data": texts}
    body = json.dumps({"inputs": [item]}).encode()
    got = arrived(array, "BYTES", read_json(body, len(body), "model", "", Wanted()))
    assert got.ravel().tolist() == [text.encode() for text in texts]


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_are_answered_as_they_are(datatype: str) -> None:
    """An output in a gRPC message, and over HTTP in binary and (but for half floats) in JSON."""

    @some
    @given(array=values(datatype, is_finite=True))
    def check(array: np.ndarray[Any, Any]) -> None:
        answer = Answer(1, "", (Output("y", datatype, array.shape, array),))
        message = infer_response(messages.ModelInferRequest(model_name="model"), answer)
        assert (message.outputs[0].datatype, list(message.outputs[0].shape)) == (datatype, list(array.shape))
        assert message.raw_output_contents[0] == array.tobytes()
        binary = b"".join(http_response("model", answer, Wanted(binary=True)).parts)
        assert binary.endswith(array.tobytes())
        if datatype not in HALF:
            told = json.loads(b"".join(http_response("model", answer, Wanted()).parts))["outputs"][0]["data"]
            np.testing.assert_array_equal(np.array(told, array.dtype).reshape(array.shape), array)

    check()
