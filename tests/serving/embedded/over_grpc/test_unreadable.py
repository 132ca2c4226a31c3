"""Messages that cannot be parsed: refused in Triton's words, and nothing of them is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from serving.embedded.server import Server
from tests.shared.conformance.cases import some_pixels
from tests.shared.conformance.served import request
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.waiting import eventually

TIMEOUT_S = 10.0
SERVICE = "/inference.GRPCInferenceService/"
RIGHT = request("tiny", {"image": some_pixels(1)}).SerializeToString()
NO_MESSAGE = b"\xff\xff\xff"
ONE = (f"{SERVICE}ModelInfer", f"{SERVICE}ServerLive", f"{SERVICE}RepositoryModelLoad", "/grpc.health.v1.Health/Check")
STREAMS = (f"{SERVICE}ModelStreamInfer", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One tiny model over gRPC."""
    repository = tmp_path_factory.mktemp("models") / "repository"
    publish_tiny(repository)
    with Server(repository, grpc_port=0, max_message_bytes=10_000) as started:
        yield started


def num_kept(server: Server) -> int:
    """Calls that grpcio holds on to."""
    return len(server._grpc._server._state.rpc_states)


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value.code().name, error.value.details()


@pytest.mark.parametrize("method", ONE)
def test_unreadable_message_is_refused_and_forgotten(server: Server, method: str) -> None:
    """Every method, of our service and of health: Triton's status and words, and no call is kept for ever."""
    with grpc.insecure_channel(server.url) as channel:
        call = channel.unary_unary(method)
        for _ in range(20):
            assert refused(lambda: call(NO_MESSAGE, timeout=TIMEOUT_S)) == ("INTERNAL", "Unable to parse request")
    eventually(lambda: num_kept(server) == 0, "no call is kept")


@pytest.mark.parametrize("method", STREAMS)
def test_unreadable_message_ends_its_stream(server: Server, method: str) -> None:
    """What came before it is answered, and no call is kept for ever."""
    before = [RIGHT] if method.endswith("ModelStreamInfer") else []
    with grpc.insecure_channel(server.url) as channel:
        for _ in range(20):
            answers = channel.stream_stream(method)(iter([*before, NO_MESSAGE, *before]), timeout=TIMEOUT_S)
            for _ in before:
                next(answers)
            assert refused(lambda answers=answers: next(answers)) == ("INTERNAL", "Unable to parse request")
    eventually(lambda: num_kept(server) == 0, "no call is kept")


def test_calls_that_end_badly_are_forgotten(server: Server) -> None:
    """No message, two of them, too large a one, no such method, given up at once, left in the middle."""
    with grpc.insecure_channel(server.url) as channel:
        infer, as_stream = channel.unary_unary(f"{SERVICE}ModelInfer"), channel.stream_unary(f"{SERVICE}ModelInfer")
        for _ in range(10):
            assert refused(lambda: as_stream(iter([]), timeout=TIMEOUT_S))[0] == "UNIMPLEMENTED"
            as_stream(iter([RIGHT, RIGHT]), timeout=TIMEOUT_S)
            assert refused(lambda: infer(RIGHT + b"\0" * 20_000, timeout=TIMEOUT_S))[0] == "RESOURCE_EXHAUSTED"
            unknown = channel.unary_unary(f"{SERVICE}Nope")
            assert refused(lambda unknown=unknown: unknown(RIGHT, timeout=TIMEOUT_S))[0] == "UNIMPLEMENTED"
            infer.future(RIGHT, timeout=TIMEOUT_S).cancel()
            stream = channel.stream_stream(f"{SERVICE}ModelStreamInfer")(iter([RIGHT, RIGHT]), timeout=TIMEOUT_S)
            next(stream)
            stream.cancel()
        infer(RIGHT, timeout=TIMEOUT_S)
    eventually(lambda: num_kept(server) == 0, "no call is kept")
