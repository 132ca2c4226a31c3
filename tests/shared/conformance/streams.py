"""Streams of inferences: every request has its answer, an error stays with its own, and a client may leave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.shared.conformance.cases import some_pixels
from tests.shared.conformance.served import BRANCH, TIMEOUT_S, Served, column, read, request, require_close

_NUM_MANY = 300


def _right(id: str = "a", **parameters: bool) -> Any:  # noqa: A002 - the protocol's name
    message = request("pets", {"image": some_pixels(1)}, id=id)
    for name, value in parameters.items():
        message.parameters[name].bool_param = value
    return message


def _answers(served: Served, *requests: Any) -> list[Any]:
    return list(served.stub.ModelStreamInfer(iter(requests), timeout=TIMEOUT_S))


def a_stream_without_requests_ends(served: Served) -> None:
    """No request, no answer, no error."""
    assert _answers(served) == []


def each_answer_is_the_last_of_its_request(served: Served) -> None:
    """triton_final_response is true of each; asking for empty final responses brings no more: each request has one."""
    for parameters in ({}, {"triton_enable_empty_final_response": True}, {"triton_enable_empty_final_response": False}):
        (answer,) = _answers(served, _right(**parameters))
        assert answer.error_message == ""
        assert answer.infer_response.parameters["triton_final_response"].bool_param
        assert "triton_enable_empty_final_response" not in answer.infer_response.parameters
        require_close(read(answer.infer_response), BRANCH.outputs({"image": some_pixels(1)}))


def a_call_has_no_final_response(served: Served) -> None:
    """ModelInfer: the parameters of streams are not there."""
    message = _right(triton_enable_empty_final_response=True)
    answer = served.stub.ModelInfer(message, timeout=TIMEOUT_S)
    assert "triton_final_response" not in answer.parameters


def ids_may_be_missing_or_alike(served: Served) -> None:
    """Nothing rests on them: as many answers come as requests went."""
    ids = ["", "", "a", "a"]
    answers = _answers(served, *(_right(one) for one in ids))
    assert sorted(answer.infer_response.id for answer in answers) == ids
    assert all(answer.error_message == "" for answer in answers)


def every_error_stays_with_its_request(served: Served) -> None:
    """A bad image, a version that is none, no model at all: each an error with its id, and the last is answered."""
    texts = {
        "image": "in ensemble 'pets_encoded', cannot read 1 of 1 images: [row 0, image] not an image in any of JPEG, "
        "PNG, WEBP, GIF, BMP, TIFF, PPM (starts with b'bad')",
        "version": "failed to get model version from specified version string 'abc' (details: stol), version should "
        "be an integral value > 0",
        "model": "Request for unknown model: '' is not found",
        "kind": "invalid value type for 'triton_enable_empty_final_response' parameter, expected bool_param.",
        "right": "",
    }
    pixels = {"image": some_pixels(1)}
    wrong_kind = _right("kind")
    wrong_kind.parameters["triton_enable_empty_final_response"].string_param = "x"
    answers = _answers(
        served,
        request("pets_encoded", {"image": column([b"bad"])}, id="image"),
        request("pets", pixels, version="abc", id="version"),
        request("", pixels, id="model"),
        wrong_kind,
        _right("right"),
    )
    assert {answer.infer_response.id: answer.error_message for answer in answers} == texts
    assert all(not answer.infer_response.outputs for answer in answers if answer.infer_response.id != "right")


def many_requests_in_a_stream_are_answered_each(served: Served) -> None:
    """As many as one likes, sent without waiting; each answer has its own rows."""
    rows = [some_pixels(1 + number % 3) + number % 7 for number in range(_NUM_MANY)]
    requests = [request("pets", {"image": each}, id=str(number)) for number, each in enumerate(rows)]
    answers = _answers(served, *requests)
    assert sorted(int(answer.infer_response.id) for answer in answers) == list(range(_NUM_MANY))
    for answer in answers:
        assert answer.error_message == ""
        require_close(read(answer.infer_response), BRANCH.outputs({"image": rows[int(answer.infer_response.id)]}))


def a_stream_is_answered_while_it_is_open(served: Served) -> None:
    """Answers come before the client has said that it has no more requests."""
    answered = threading.Event()

    def requests() -> Iterator[Any]:
        yield _right("first")
        assert answered.wait(TIMEOUT_S)
        yield _right("second")

    stream = served.stub.ModelStreamInfer(requests(), timeout=TIMEOUT_S)
    assert next(stream).infer_response.id == "first"
    answered.set()
    assert [answer.infer_response.id for answer in stream] == ["second"]


def a_stream_may_be_left(served: Served) -> None:
    """A client that cancels harms nobody: its stream ends, and another is answered."""
    left = threading.Event()

    def requests() -> Iterator[Any]:
        yield _right()
        left.wait(TIMEOUT_S)

    stream = served.stub.ModelStreamInfer(requests(), timeout=TIMEOUT_S)
    next(stream)
    stream.cancel()
    left.set()
    with pytest.raises(grpc.RpcError):
        next(stream)
    assert stream.code() == grpc.StatusCode.CANCELLED
    assert len(_answers(served, _right(), _right())) == 2


CHECKS = (
    a_stream_without_requests_ends,
    each_answer_is_the_last_of_its_request,
    a_call_has_no_final_response,
    ids_may_be_missing_or_alike,
    every_error_stays_with_its_request,
    many_requests_in_a_stream_are_answered_each,
    a_stream_is_answered_while_it_is_open,
    a_stream_may_be_left,
)
