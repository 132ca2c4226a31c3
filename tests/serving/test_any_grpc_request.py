"""Properties of the gRPC front: any message gets an answer or a refusal of a known kind, and soon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as messages

from serving.embedded.server import Server
from tests.shared.any_messages import CONTROL, RIGHT_INFERENCES, changed_bytes, inferences
from tests.shared.conformance.cases import some_pixels
from tests.shared.conformance.served import BRANCH, Served, connected, publish_models, request, require_close

TIMEOUT_S = 10.0
KNOWN = {"INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE", "UNIMPLEMENTED"}
FAILED_LOAD = "failed to poll from model repository"
pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
some = settings(max_examples=40, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def reports() -> list[str]:
    """What the server told its operator; a fault of its own would be there."""
    return []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, reports: list[str]) -> Iterator[Served]:
    """The models of the conformance tests behind the embedded server."""
    repository = publish_models(tmp_path_factory.mktemp("models"))
    with (
        Server(repository, grpc_port=0, report=reports.append, log_level="warning") as server,
        connected(server.url, repository) as connection,
    ):
        yield connection


@some
@given(message=inferences())
def test_any_inference_is_answered_or_refused(served: Served, reports: list[str], message: Any) -> None:
    """Any fields: a code of the protocol that is the client's to mend, never the server's fault, never a hang."""
    answer, refusal = served.answer_or_refusal(lambda: served.stub.ModelInfer(message, timeout=TIMEOUT_S))
    require_known(answer, refusal, reports)


@some
@given(data=changed_bytes(st.sampled_from(RIGHT_INFERENCES)))
def test_any_changed_inference_is_answered_or_refused(served: Served, reports: list[str], data: bytes) -> None:
    """Right requests that were spoilt on the way, as long as they are messages."""
    try:
        message = messages.ModelInferRequest.FromString(data)
    except DecodeError:
        assume(False)
    answer, refusal = served.answer_or_refusal(lambda: served.stub.ModelInfer(message, timeout=TIMEOUT_S))
    require_known(answer, refusal, reports)


@some
@given(requests=st.lists(inferences(), max_size=4))
def test_any_stream_is_answered(served: Served, reports: list[str], requests: list[Any]) -> None:
    """As many answers as requests, each with its id, and the stream ends well."""
    answers = list(served.stub.ModelStreamInfer(iter(requests), timeout=TIMEOUT_S))
    assert [answer.infer_response.id for answer in answers] == [message.id for message in requests]
    assert not any("internal error" in answer.error_message for answer in answers)
    assert reports == []


@pytest.mark.parametrize("method", CONTROL)
def test_any_call_of_a_method_is_answered_or_refused(served: Served, reports: list[str], method: str) -> None:
    """Every other method, with any fields; a load that fails is INTERNAL, as in Triton."""

    @settings(some, max_examples=25)
    @given(message=CONTROL[method])
    def call(message: Any) -> None:
        reports.clear()  # what could not be loaded is told there
        answer, refusal = served.answer_or_refusal(lambda: getattr(served.stub, method)(message, timeout=TIMEOUT_S))
        if refusal is not None and method == "RepositoryModelLoad" and FAILED_LOAD in refusal[1]:
            assert refusal[0] == "INTERNAL"
        else:
            require_known(answer, refusal, reports)

    call()
    reports.clear()


@some
@given(data=st.binary(max_size=60))
def test_any_bytes_are_refused_or_answered(served: Served, data: bytes) -> None:
    """What is no message at all: gRPC's own refusal, and the next request is answered."""
    with grpc.insecure_channel(served.url) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError):
            call(data, timeout=TIMEOUT_S)


def test_the_server_still_answers(served: Served) -> None:
    """After all of the above."""
    require_close(served.infer("pets", {"image": some_pixels(2)}), BRANCH.outputs({"image": some_pixels(2)}))
    assert served.call("ServerReady").ready
    assert served.stub.ModelInfer(request("pets", {"image": some_pixels(1)}, id="last"), timeout=TIMEOUT_S).id == "last"


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(message=inferences())
def test_any_of_many_inferences_is_answered_or_refused(served: Served, reports: list[str], message: Any) -> None:
    """The first property again, with other messages each time."""
    answer, refusal = served.answer_or_refusal(lambda: served.stub.ModelInfer(message, timeout=TIMEOUT_S))
    require_known(answer, refusal, reports)


def require_known(answer: Any, refusal: tuple[str, str] | None, reports: list[str]) -> None:
    """An answer, or a refusal of a known kind with a text of one line; and the operator was told of no fault."""
    if refusal is None:
        assert answer is not None
    else:
        code, text = refusal
        assert code in KNOWN, refusal
        assert text
        assert len(text.splitlines()) == 1, text
    assert reports == []
