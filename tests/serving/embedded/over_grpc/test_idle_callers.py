"""Calls on which nothing happens: few threads take calls at a time, and none of those that say nothing holds one up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as messages

from serving.embedded.server import Server
from serving.embedded.workers import AWAKE
from tests.shared.pictures import noise
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, infer
from tests.shared.waiting import WAIT_S

NUM_IDLE = 6 * AWAKE
SERVICE = "/inference.GRPCInferenceService/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root: Path = tmp_path_factory.mktemp("served") / "repository"
    publish_tiny(root)
    with Server(root, grpc_port=0) as server:
        yield server


class Quiet:
    """Requests of a call that come when they are let go."""

    def __init__(self, *requests: bytes) -> None:
        self._requests, self._go = requests, threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        assert self._go.wait(WAIT_S)
        yield from self._requests

    def go(self) -> None:
        self._go.set()


def _request(pixels: np.ndarray) -> bytes:
    request = messages.ModelInferRequest(model_name="tiny")
    request.inputs.add(name="image", datatype="UINT8", shape=pixels.shape)
    request.raw_input_contents.append(pixels.tobytes())
    return request.SerializeToString()


def _vectors(answer: bytes, *, of_stream: bool) -> np.ndarray:
    kind = messages.ModelStreamInferResponse if of_stream else messages.ModelInferResponse
    told = kind.FromString(answer)
    response = told.infer_response if of_stream else told
    return np.frombuffer(response.raw_output_contents[0], np.float32)


@pytest.mark.parametrize("of_stream", [False, True])
def test_callers_that_say_nothing_hold_up_nobody(server: Server, of_stream: bool) -> None:
    """Calls whose request does not come, or streams on which none is asked: others are answered, then they are."""
    pixels = noise(1)
    quiet = [Quiet(_request(pixels)) for _ in range(NUM_IDLE)]
    with grpc.insecure_channel(server.url) as channel, client_of(server) as client:
        answers: list[Callable[[], bytes]] = []
        for each in quiet:
            if of_stream:
                stream = channel.stream_stream(f"{SERVICE}ModelStreamInfer")(iter(each), timeout=WAIT_S)
                answers.append(lambda stream=stream: next(stream))
            else:
                answers.append(channel.stream_unary(f"{SERVICE}ModelInfer").future(iter(each), timeout=WAIT_S).result)
        for _ in range(3):
            got = infer(client, "tiny", {"image": pixels}).as_numpy("embedding")
            np.testing.assert_allclose(got, linear_vectors(pixels), atol=1e-5)
        for each in quiet:
            each.go()
        for answer in answers:
            got = _vectors(answer(), of_stream=of_stream)
            np.testing.assert_allclose(got, linear_vectors(pixels)[0], atol=1e-5)


@pytest.mark.parametrize("method", ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "watch"])
def test_callers_of_other_services_hold_up_nobody(server: Server, method: str) -> None:
    """A reflection that asks nothing, and those who watch the health."""
    with grpc.insecure_channel(server.url) as channel, client_of(server) as client:
        calls: list[Any] = []
        for _ in range(NUM_IDLE):
            if method == "watch":
                calls.append(channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=WAIT_S))
                next(calls[-1])
            else:
                calls.append(channel.stream_stream(method)(iter(Quiet()), timeout=WAIT_S))
        got = infer(client, "tiny", {"image": noise(1)}).as_numpy("embedding")
        assert got.shape == (1, 4)
        for call in calls:
            call.cancel()
