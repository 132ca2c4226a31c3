"""Single requests over gRPC, one test a request and a server: what real Triton says, and what the embedded server says.

The tables lie in tests/shared/conformance: `cases` (wrong requests), `parameters` (of requests and tensors),
`contents` (typed data), `methods` (everything but inferences), `streams`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from serving.embedded.server import Server
from tests.shared.conformance import cases, contents, methods, parameters, streams
from tests.shared.conformance.served import (
    BRANCH,
    TIMEOUT_S,
    Served,
    connected,
    publish_models,
    read,
    request,
    require_close,
)
from tests.shared.triton_server import TritonServer, unavailable

IDS = {"": "[request id: <id_unknown>] ", "a7": "[request id: a7] "}
KINDS = [(name, kind) for name in parameters.NAMES for kind in parameters.VALUES]


@pytest.fixture(scope="module", params=["embedded", "triton"])
def server(request: pytest.FixtureRequest) -> str:
    """The name of a server."""
    if request.param == "triton" and (reason := unavailable()):
        pytest.skip(f"real Triton cannot run here: {reason}")
    return str(request.param)


@pytest.fixture(scope="module")
def served(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A repository behind it."""
    repository = publish_models(tmp_path_factory.mktemp(server))
    if server == "triton":
        with TritonServer(repository) as triton, connected(triton.grpc_url, repository) as connection:
            yield connection
    else:
        with Server(repository, grpc_port=0) as embedded, connected(embedded.url, repository) as connection:
            yield connection


@pytest.mark.parametrize("id_", IDS, ids=["", "id"])
@pytest.mark.parametrize("name", cases.CASES)
def test_wrong_request_is_refused_in_tritons_words(served: Served, name: str, id_: str) -> None:
    """Status and text, with a request id and without."""
    case = cases.CASES[name]
    got = served.refusal(lambda: served.stub.ModelInfer(case.message(id_), timeout=TIMEOUT_S))
    assert got == (case.status, case.text.replace("{prefix}", IDS[id_]))


@pytest.mark.parametrize("name", cases.CASES)
def test_wrong_request_is_refused_in_a_stream(served: Served, name: str) -> None:
    """The same text as the error of its own answer, which carries the id; and the stream goes on."""
    case = cases.CASES[name]
    right = request("pets", {"image": cases.some_pixels(1)}, id="right")
    wrong, after = served.stub.ModelStreamInfer(iter([case.message("a7"), right]), timeout=TIMEOUT_S)
    if wrong.infer_response.id != "a7":  # an answer may overtake another in Triton
        wrong, after = after, wrong
    assert wrong.error_message == case.text.replace("{prefix}", IDS["a7"])
    assert after.error_message == ""
    require_close(read(after.infer_response), BRANCH.outputs({"image": cases.some_pixels(1)}))


@pytest.mark.parametrize("name", parameters.CASES)
def test_parameter_of_tensor_is_refused_in_tritons_words(served: Served, name: str) -> None:
    """Over a call and in a stream."""
    expected, spoil = parameters.CASES[name]
    message = request("pets", {"image": cases.some_pixels(1)})
    spoil(message)
    assert served.refusal(lambda: served.stub.ModelInfer(message, timeout=TIMEOUT_S)) == expected
    (answer,) = served.stub.ModelStreamInfer(iter([message]), timeout=TIMEOUT_S)
    assert answer.error_message == expected[1]


@pytest.mark.parametrize(("name", "kind"), KINDS, ids=[f"{name or 'empty'}-{kind}" for name, kind in KINDS])
def test_parameter_of_request_has_its_kind(served: Served, name: str, kind: str) -> None:
    """A value of this kind for this name is taken, or refused in Triton's words."""
    message = request("pets", {"image": cases.some_pixels(1)})
    setattr(message.parameters[name], kind, parameters.VALUES[kind])
    answer, refusal = served.answer_or_refusal(lambda: served.stub.ModelInfer(message, timeout=TIMEOUT_S))
    assert refusal == parameters.refusal_of(name, kind)
    if refusal is None:
        require_close(read(answer), BRANCH.outputs({"image": cases.some_pixels(1)}))


@pytest.mark.parametrize("name", contents.CASES)
def test_typed_contents_are_read_or_refused(served: Served, server: str, name: str) -> None:
    """Every field of `contents` for every data type."""
    case = contents.CASES[name]
    answer, refusal = served.answer_or_refusal(lambda: served.stub.ModelInfer(case.message, timeout=TIMEOUT_S))
    expected = case.expected(server)
    if isinstance(expected, tuple):
        assert refusal == expected
    else:
        assert refusal is None
        require_close(read(answer), {"embedding": expected})


@pytest.mark.parametrize("name", methods.CASES)
def test_method_answers_or_refuses(served: Served, server: str, name: str) -> None:
    """Everything but inferences."""
    case = methods.CASES[name]
    _, refusal = served.answer_or_refusal(lambda: served.call(case.method, **case.fields))
    assert refusal == case.expected(server)


@pytest.mark.parametrize("check", streams.CHECKS, ids=lambda check: check.__name__)
def test_stream_conforms(served: Served, check: Callable[[Served], None]) -> None:
    """Each check of streams holds; its docstring says what it is."""
    check(served)
