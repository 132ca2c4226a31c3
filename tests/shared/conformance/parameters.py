"""Parameters of requests and tensors: honoured, or refused with the status and text that tritonserver 2.51 gives.

The tables are run by tests/serving/test_grpc_requests.py, a test a row; the checks by test_triton_grpc.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.shared.conformance.cases import some_pixels
from tests.shared.conformance.served import (
    BRANCH,
    FULL,
    TIMEOUT_S,
    Refusal,
    Served,
    column,
    frame,
    read,
    request,
    require_close,
)
from tests.shared.pictures import pictures

Spoil = Callable[[Any], object]
VALUES = {"bool_param": True, "int64_param": 7, "string_param": "x", "uint64_param": 7, "double_param": 1.5}
TAKEN = {
    "sequence_id": ("int64_param", "string_param"),
    "sequence_start": ("bool_param",),
    "sequence_end": ("bool_param",),
    "priority": ("int64_param", "uint64_param"),
    "timeout": ("int64_param",),
    "triton_enable_empty_final_response": ("bool_param",),
}
ANY_NAME = ("foo", "binary_data_output", "headers", "classification", "lookalike.digest", "")
NAMES = (*TAKEN, *ANY_NAME, "triton_foo", "triton_final_response")
REGION, SIZE, OFFSET = "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"
RESERVED = (
    "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with "
    "'triton_' are allowed: triton_enable_empty_final_response"
)


def _set(parameters: Any, **values: Any) -> None:
    for name, value in values.items():
        kinds = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}
        setattr(parameters[name], kinds[type(value)], value)


def _input(**values: Any) -> Spoil:
    return lambda message: _set(message.inputs[0].parameters, **values)


def _output(*, name: str = "embedding", **values: Any) -> Spoil:
    return lambda message: _set(message.outputs.add(name=name).parameters, **values)


def _all(*spoils: Spoil) -> Spoil:
    return lambda message: [spoil(message) for spoil in spoils]


def _invalid(text: str) -> Refusal:
    return "INVALID_ARGUMENT", text


def _kind(name: str, tensor: str, kind: str) -> Refusal:
    return _invalid(f"invalid value type for '{name}' parameter for tensor '{tensor}', expected {kind}.")


def _alone(name: str, tensor: str) -> Refusal:
    return _invalid(f"'{name}' can not be specified without '{REGION}' parameter for tensor '{tensor}'")


def _no_size(tensor: str) -> Refusal:
    return _invalid(f"'{SIZE}' must be specified along with '{REGION}' parameter for tensor '{tensor}'")


NOT_INT = _invalid("invalid value type for 'classification' parameter, expected int64_param")
TOO_FEW = _invalid("invalid value for 'classification' parameter, expected >= 0")
BOTH = _invalid(f"output can't set both '{REGION}' and 'classification'")
NO_REGION = ("NOT_FOUND", "Unable to find shared memory region: 'r'")


def _floats(message: Any) -> None:
    message.inputs[0].datatype = "FP32"


CASES: dict[str, tuple[Refusal, Spoil]] = {
    "input in a region": (NO_REGION, _input(**{REGION: "r", SIZE: 192, OFFSET: 0})),
    "input in a region of no size": (_no_size("image"), _input(**{REGION: "r"})),
    "input in a region that is no text": (_kind(REGION, "image", "string_param"), _input(**{REGION: 3})),
    "input with an offset alone": (_alone(OFFSET, "image"), _input(**{OFFSET: 3})),
    "input with a size alone": (_alone(SIZE, "image"), _input(**{SIZE: 3})),
    "input with an offset that is text": (
        _kind(OFFSET, "image", "int64_param"),
        _input(**{REGION: "r", OFFSET: "3", SIZE: "3"}),
    ),
    "output in a region": (NO_REGION, _output(**{REGION: "r", SIZE: 16})),
    "output in a region with a negative offset": (NO_REGION, _output(**{REGION: "r", SIZE: 16, OFFSET: -1})),
    "output in a region of no size": (_no_size("embedding"), _output(**{REGION: "r"})),
    "unknown output in a region of no size": (_no_size("bar"), _output(name="bar", **{REGION: "r"})),
    "output in a region that is no text": (_kind(REGION, "embedding", "string_param"), _output(**{REGION: 3})),
    "output with a size that is text": (
        _kind(SIZE, "embedding", "int64_param"),
        _output(**{REGION: "r", SIZE: "16"}),
    ),
    "output with a size alone": (_alone(SIZE, "embedding"), _output(**{SIZE: 16})),
    "output with an offset alone": (_alone(OFFSET, "embedding"), _output(**{OFFSET: 16})),
    "classes in a region": (BOTH, _output(**{REGION: "r", SIZE: 16, "classification": 2})),
    "classes that are text in a region that is none": (
        _kind(REGION, "embedding", "string_param"),
        _output(**{REGION: 3, "classification": "2"}),
    ),
    "classes that are text": (NOT_INT, _output(classification="2")),
    "classes that are yes": (NOT_INT, _output(classification=True)),
    "classes that are a fraction": (NOT_INT, _output(classification=2.0)),
    "no classes": (TOO_FEW, _output(classification=0)),
    "fewer classes than none": (TOO_FEW, _output(classification=-1)),
    "classes of an unknown output": (
        _invalid("unexpected inference output 'bar' for model 'pets'"),
        _output(name="bar", classification=2),
    ),
    "classes before floats": (NOT_INT, _all(_output(classification="2"), _floats)),
    "a negative priority": (
        _invalid("invalid value for 'priority', expected value >= 0."),
        lambda message: _set(message.parameters, priority=-1),
    ),
    "a parameter before floats": (
        _invalid("invalid value type for 'sequence_start' parameter, expected bool_param."),
        _all(lambda message: _set(message.parameters, sequence_start=1), _floats),
    ),
    "a parameter without a value": (
        _invalid("invalid value type for 'foo' parameter, expected int64_param, bool_param, or string_param."),
        lambda message: message.parameters["foo"].SetInParent(),
    ),
}


def refusal_of(name: str, kind: str) -> Refusal | None:
    """The refusal of a request's parameter with a value of a kind; None where it is taken."""
    if name in TAKEN and kind not in TAKEN[name]:
        return _invalid(f"invalid value type for '{name}' parameter, expected {' or '.join(TAKEN[name])}.")
    if name in ANY_NAME and kind == "uint64_param":
        return _invalid(
            f"invalid value type for '{name}' parameter, expected int64_param, bool_param, or string_param."
        )
    if name.startswith("triton_") and name not in TAKEN:
        return _invalid(RESERVED)
    return None


def unknown_parameters_of_tensors_change_nothing(served: Served) -> None:
    """Names that anybody may choose, of any kind."""
    for value in (True, 7, "x", 1.5):
        message = request("pets", {"image": some_pixels(1)})
        _set(message.inputs[0].parameters, foo=value, binary_data_size=value)
        _set(message.outputs.add(name="embedding").parameters, foo=value, binary_data=value)
        got = read(served.stub.ModelInfer(message, timeout=TIMEOUT_S))
        require_close(got, BRANCH.outputs({"image": some_pixels(1)}))


def classes_are_the_largest_values_with_their_places(served: Served) -> None:
    """`value:place` as BYTES [N, K], largest first, K at most all of a row; other outputs come as they are."""
    model = FULL[0]
    shape = (3, model.size, model.size, 3)
    pixels = {
        stream: np.random.default_rng(number).integers(0, 256, shape, np.uint8)
        for number, stream in enumerate(model.streams)
    }
    expected = model.outputs(pixels)
    for asked in (1, 2, 3, 100):
        message = request("pairs", pixels)
        for name in expected:
            output = message.outputs.add(name=name)
            if name != "embedding_right":
                _set(output.parameters, classification=asked)
        answer = served.stub.ModelInfer(message, timeout=TIMEOUT_S)
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True):
            values = expected[output.name]
            if output.name == "embedding_right":
                np.testing.assert_allclose(np.frombuffer(raw, np.float32).reshape(output.shape), values, atol=1e-4)
                continue
            count = min(asked, values.shape[1])
            assert (output.datatype, list(output.shape)) == ("BYTES", [3, count])
            texts = _elements(raw)
            assert frame(texts) == raw
            assert len(texts) == 3 * count
            for row, value in enumerate(values):
                pairs = [text.decode().split(":") for text in texts[row * count : (row + 1) * count]]
                order = sorted(range(len(value)), key=lambda place: -value[place])[:count]
                assert [int(place) for _, place in pairs] == order
                assert all(len(number.partition(".")[2]) == 6 for number, _ in pairs)
                np.testing.assert_allclose([float(number) for number, _ in pairs], value[order], atol=1e-4)


def classes_of_encoded_images_and_of_pixels(served: Served) -> None:
    """An ensemble's vectors, and the whole numbers of NAME_decode, whose row is all of an image."""
    images = column([pictures()["png"]] * 2)
    pixels = BRANCH.pixels(images[:, 0].tolist())
    message = request("pets_decode", {"image": images})
    _set(message.outputs.add(name="image_pixels").parameters, classification=1)
    answer = served.stub.ModelInfer(message, timeout=TIMEOUT_S)
    flat = pixels.reshape(2, -1)
    assert list(answer.outputs[0].shape) == [2, 1]
    assert _elements(answer.raw_output_contents[0]) == [b"%d:%d" % (row.max(), row.argmax()) for row in flat]
    message = request("pets_encoded", {"image": images})
    _set(message.outputs.add(name="embedding").parameters, classification=1)
    answer = served.stub.ModelInfer(message, timeout=TIMEOUT_S)
    vectors = BRANCH.outputs({"image": pixels})["embedding"]
    places = [int(text.partition(b":")[2]) for text in _elements(answer.raw_output_contents[0])]
    assert places == vectors.argmax(axis=1).tolist()


def a_class_count_counts_once(served: Served) -> None:
    """An output that is asked for twice is answered once, by the first number of classes."""
    for counts, expected in (((2, 3), 2), ((None, 2), 2), ((2, None), 2)):
        message = request("pets", {"image": some_pixels(1)})
        for count in counts:
            output = message.outputs.add(name="embedding")
            if count is not None:
                _set(output.parameters, classification=count)
        (output,) = served.stub.ModelInfer(message, timeout=TIMEOUT_S).outputs
        assert (output.datatype, list(output.shape)) == ("BYTES", [1, expected])


def _elements(raw: bytes) -> list[bytes]:
    """The elements of BYTES on the wire."""
    elements, at = [], 0
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 4], "little")
        elements.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    return elements


GRPC_CHECKS = (
    unknown_parameters_of_tensors_change_nothing,
    a_class_count_counts_once,
)
"""About kinds of values, which JSON has others of; and Triton's REST has another rule for an output told twice."""
CHECKS = (
    classes_are_the_largest_values_with_their_places,
    classes_of_encoded_images_and_of_pixels,
)
