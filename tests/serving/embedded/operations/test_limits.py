"""The limits of connections: how many, how long idle, how many calls, how large their headers."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from serving.embedded.server import Server
from tests.shared.held_server import num_waiting, together
from tests.shared.pictures import noise
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer
from tests.shared.waiting import WAIT_S, eventually


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits") / "repository"
    publish_tiny(folder)
    return folder


def connected(url: str) -> grpc.Channel:
    """A channel with a connection of its own."""
    return grpc.insecure_channel(url, [("grpc.use_local_subchannel_pool", 1)])


def is_live(channel: grpc.Channel, **options: object) -> bool:
    stub = GRPCInferenceServiceStub(channel)
    return bool(stub.ServerLive(messages.ServerLiveRequest(), timeout=WAIT_S, **options).live)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    return str(refused.value.code().name)


def test_grpc_connections_are_bounded(repository: Path) -> None:
    """Who is connected goes on; when one leaves another may come."""
    with Server(repository, grpc_port=0, max_connections=2) as server, ExitStack() as stack:
        first, second = (stack.enter_context(connected(server.url)) for _ in range(2))
        assert is_live(first)
        assert is_live(second)
        with connected(server.url) as third:
            assert code_of(lambda: is_live(third)) == "UNAVAILABLE"
        assert is_live(first)
        second.close()

        def is_let_in() -> bool:
            with connected(server.url) as another:
                try:
                    return is_live(another)
                except grpc.RpcError:
                    return False

        eventually(is_let_in, "room for another connection")


def test_grpc_metadata_is_bounded(repository: Path) -> None:
    """Larger ones are refused; those of 64 KiB, as by default, pass."""
    for options, size, expected in (({}, 60_000, True), ({}, 80_000, False), ({"max_header_bytes": 4000}, 5000, False)):
        with Server(repository, grpc_port=0, **options) as server, connected(server.url) as channel:  # type: ignore[arg-type]
            metadata = [("x-large", "x" * size)]
            if expected:
                assert is_live(channel, metadata=metadata)
            else:
                assert code_of(lambda: is_live(channel, metadata=metadata)) == "RESOURCE_EXHAUSTED"  # noqa: B023


def test_http_headers_are_bounded_by_the_same_option(repository: Path) -> None:
    """431, in one line."""
    with Server(repository, grpc_port=0, http_port=0, max_header_bytes=2000) as server:
        connection = http.client.HTTPConnection(str(server.http_url), timeout=WAIT_S)
        connection.request("GET", "/v2/health/live", headers={"x-large": "x" * 3000})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (431, b'{"error":"the headers are larger than 2000 bytes"}')
        connection.close()


def test_calls_of_one_connection_are_bounded(repository: Path) -> None:
    """More wait at the client, which may be told UNAVAILABLE where it is ahead of the server; no more run."""
    with Server(repository, grpc_port=0, max_streams=2) as server, client_of(server) as client:
        assert client.is_server_live()  # before it knows the limit it is refused what is beyond it
        calls = [lambda: infer(client, "tiny", {"image": noise(1)})] * 4
        with together(server, *calls) as answers:
            eventually(lambda: num_waiting(server) == 2, "two waiting")
            with connected(server.url) as other:
                assert is_live(other)
            assert num_waiting(server) == 2
        errors = [error for answer in answers if (error := answer.exception(WAIT_S))]
        assert len(errors) <= 2
        assert all("UNAVAILABLE" in str(error) for error in errors)


def test_idle_connections_are_closed(repository: Path) -> None:
    """Over both fronts; a client of gRPC connects again by itself."""
    with Server(repository, grpc_port=0, http_port=0, idle_s=1.0) as server, connected(server.url) as channel:
        gone, seen = threading.Event(), []

        def note(state: grpc.ChannelConnectivity) -> None:
            seen.append(state)
            if grpc.ChannelConnectivity.READY in seen and state is grpc.ChannelConnectivity.IDLE:
                gone.set()

        connection = http.client.HTTPConnection(str(server.http_url), timeout=WAIT_S)
        connection.request("GET", "/v2/health/live")
        connection.getresponse().read()
        channel.subscribe(note)
        assert is_live(channel)
        assert gone.wait(WAIT_S)
        assert is_live(channel)
        assert connection.sock.recv(1) == b""
        connection.close()
