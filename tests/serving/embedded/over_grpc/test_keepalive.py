"""Clients that ping: their connections stay, without calls and within a stream."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from serving.embedded.server import Server
from tests.shared.scored_images import SIZE

MODELS = ["triplet_branch"]
HELD_S, WAIT_S = 6, 20
"""Pings once a second, as often as gRPC's client does; the fourth too many would end the connection."""
PINGING = [
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 1000 * WAIT_S),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),
]


def request() -> Any:
    message = messages.ModelInferRequest(model_name=MODELS[0])
    message.inputs.add(name="image", datatype="UINT8", shape=[1, SIZE, SIZE, 3])
    message.raw_input_contents.append(np.zeros((1, SIZE, SIZE, 3), np.uint8).tobytes())
    return message


def states_when_idle(url: str) -> set[str]:
    """The states of a connection without calls."""
    states: list[grpc.ChannelConnectivity] = []
    with grpc.insecure_channel(url, options=PINGING) as channel:
        services.GRPCInferenceServiceStub(channel).ModelInfer(request(), timeout=WAIT_S)
        channel.subscribe(states.append)
        threading.Event().wait(HELD_S)
    return {state.name for state in states}


def states_in_a_stream(url: str) -> set[str]:
    """The states of a connection with one stream, answered at its begin and at its end."""
    states: list[grpc.ChannelConnectivity] = []
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with grpc.insecure_channel(url, options=PINGING) as channel:
        answers = services.GRPCInferenceServiceStub(channel).ModelStreamInfer(
            iter(requests.get, None), timeout=HELD_S + WAIT_S
        )
        requests.put(request())
        assert next(answers).error_message == ""
        channel.subscribe(states.append)
        threading.Event().wait(HELD_S)
        requests.put(request())
        assert next(answers).error_message == ""
        requests.put(None)
    return {state.name for state in states}


@pytest.mark.slow
def test_pings_end_no_connection(repository: Path) -> None:
    """gRPC's own servers end one after the third ping within five minutes."""
    with Server(repository, grpc_port=0) as server, ThreadPoolExecutor(2) as pool:
        found = [pool.submit(states, server.url) for states in (states_when_idle, states_in_a_stream)]
        assert [one.result() for one in found] == [{"READY"}, {"READY"}]
