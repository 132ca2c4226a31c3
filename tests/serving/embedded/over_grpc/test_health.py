"""What any gRPC client can ask: health of the server, its service and its models; and which services there are."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from serving.embedded.server import Server
from tests.shared.held_server import num_waiting, together
from tests.shared.pictures import noise
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer
from tests.shared.waiting import WAIT_S, eventually

SERVICE = "inference.GRPCInferenceService"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    publish_tiny(tmp_path / "repository")
    with Server(tmp_path / "repository", grpc_port=0) as running:
        yield running


def status_of(stub: health_pb2_grpc.HealthStub, name: str = "") -> str:
    """The name of a status, or NOT_FOUND."""
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=WAIT_S)
    except grpc.RpcError as error:
        return str(error.code().name)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def test_health_is_that_of_the_server_its_service_and_its_models(server: Server) -> None:
    """By their names; what was never there is not found, what was unloaded does not serve."""
    with grpc.insecure_channel(server.url) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE, "tiny", "tiny_decode", "tiny_encoded"):
            assert status_of(stub, name) == "SERVING"
        assert status_of(stub, "nope") == "NOT_FOUND"
        services.GRPCInferenceServiceStub(channel).RepositoryModelUnload(
            messages.RepositoryModelUnloadRequest(model_name="tiny"), timeout=WAIT_S
        )
        assert status_of(stub) == "SERVING"
        assert status_of(stub, "tiny") == status_of(stub, "tiny_encoded") == "NOT_SERVING"


def test_health_says_no_while_the_server_stops(server: Server) -> None:
    """To who asks, and at once to who watches, while a request in flight is still answered."""
    seen: queue.Queue[str] = queue.Queue()
    with grpc.insecure_channel(server.url) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        def watch() -> None:
            try:
                for answer in stub.Watch(health_pb2.HealthCheckRequest(), timeout=WAIT_S):
                    seen.put(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
            except grpc.RpcError:
                seen.put("ended")

        watching = threading.Thread(target=watch)
        watching.start()
        assert seen.get(timeout=WAIT_S) == "SERVING"
        stopping = threading.Thread(target=server.stop)
        with client_of(server) as client, together(server, lambda: infer(client, "tiny", {"image": noise(1)})):
            eventually(lambda: num_waiting(server) == 1, "one waiting")
            stopping.start()
            assert seen.get(timeout=WAIT_S) == "NOT_SERVING"
            assert status_of(stub) == "NOT_SERVING"
        stopping.join(WAIT_S)
        assert seen.get(timeout=WAIT_S) == "ended"
        watching.join(WAIT_S)


def test_client_that_knows_nothing_finds_the_service(server: Server) -> None:
    """By reflection: its name, its methods, and the fields of their messages."""
    with grpc.insecure_channel(server.url) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
        file = database.FindFileContainingSymbol(SERVICE)
        (service,) = (one for one in file.service if one.name == "GRPCInferenceService")
        assert {"ModelInfer", "ModelStreamInfer", "ServerLive"} <= {method.name for method in service.method}
        (request,) = (one for one in file.message_type if one.name == "ModelInferRequest")
        assert {"model_name", "inputs", "raw_input_contents"} <= {field.name for field in request.field}
