"""Fronts that answer a constant, to see what a front costs by itself.

    python -m benchmarks.fronts.bare NAME

Prints its port, and ends with SIGTERM. Names: `threads_64`, `threads_2` (grpcio's threads in a plain pool), `workers`
(in the pool of the server), `views` (besides, raw contents stay where they came), `prepared` (besides, answers are
bytes that were made beforehand), `aio`, `uvloop` (grpcio's asyncio, the latter on uvloop), `native` (pygrpc-native).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import uvloop
from tritonclient.grpc import service_pb2
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceServicer, add_GRPCInferenceServiceServicer_to_server

from benchmarks.fronts.constant_model import ConstantModel
from serving.embedded.over_grpc.wire import received_request
from serving.embedded.workers import CallPool, Workers

OPTIONS = [("grpc.max_receive_message_length", -1)]
_SERVICE = "inference.GRPCInferenceService"


class Service(GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers of the constant model."""

    def __init__(self, infer: Callable[[Any], Any] | None = None) -> None:
        self.model = ConstantModel()
        self.infer = infer or self.model.infer

    def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's names
        return service_pb2.ServerReadyResponse(ready=True)

    def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=True)

    def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.model.server()

    def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.model.metadata(request.name)

    def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.model.config(request.name)

    def ModelStatistics(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.model.statistics(request.name)

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.infer(request)

    def ModelStreamInfer(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:  # noqa: N802
        for request in requests:
            yield service_pb2.ModelStreamInferResponse(infer_response=self.infer(request))


class AsyncService(GRPCInferenceServiceServicer):  # type: ignore[misc]
    """The same for asyncio, every method a coroutine: else grpcio would run it in a thread."""

    def __init__(self) -> None:
        self._service = Service()

    async def ModelStreamInfer(self, requests: Any, context: Any) -> Any:  # noqa: N802
        async for request in requests:
            yield service_pb2.ModelStreamInferResponse(infer_response=self._service.infer(request))


def _coroutine(name: str) -> Callable[..., Any]:
    async def answer(self: AsyncService, request: Any, context: Any) -> Any:
        return getattr(self._service, name)(request, context)

    return answer


for _name in vars(Service):
    if _name[0].isupper() and _name != "ModelStreamInfer":
        setattr(AsyncService, _name, _coroutine(_name))


def threads(pool: Any) -> None:
    """grpcio's threads in a pool."""
    run(grpc.server(pool, options=OPTIONS), Service())


def views(*, prepared: bool) -> None:
    """grpcio's threads in the server's pool, with requests as the server reads them."""
    service, answers = Service(), {}
    model = service.model

    def infer(received: Any, context: Any) -> Any:
        if not prepared:
            return model.infer(received.message).SerializeToString()
        model.note()
        key = received.message.model_name
        if key not in answers:
            answers[key] = model.infer(received.message).SerializeToString()
        return answers[key]

    server = grpc.server(CallPool(Workers(1000, "bare")), options=OPTIONS)
    handler = grpc.unary_unary_rpc_method_handler(infer, request_deserializer=received_request)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"ModelInfer": handler}),))
    add_GRPCInferenceServiceServicer_to_server(service, _Generic(server))
    run(server)


class _Generic:
    """A server that takes handlers by name of the service alone, so that the first one of a method stands."""

    def __init__(self, server: Any) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Not needed."""


async def asynchronous() -> None:
    """grpcio's asyncio."""
    server = grpc.aio.server(options=OPTIONS)
    add_GRPCInferenceServiceServicer_to_server(AsyncService(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


def native() -> None:
    """pygrpc-native, with its own README's pool."""
    import pygrpc_native  # type: ignore[import-not-found]  # of a folder of its own

    run(pygrpc_native.server(ThreadPoolExecutor(16), options=OPTIONS), Service())


def run(server: Any, service: Any = None, port: int = 0) -> None:
    """Tell the port, and serve until the process is ended."""
    if service is not None:
        add_GRPCInferenceServiceServicer_to_server(service, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


BARE: dict[str, Callable[[], None]] = {
    "threads_64": lambda: threads(ThreadPoolExecutor(64)),
    "threads_2": lambda: threads(ThreadPoolExecutor(2)),
    "workers": lambda: threads(CallPool(Workers(1000, "bare"))),
    "views": lambda: views(prepared=False),
    "prepared": lambda: views(prepared=True),
    "aio": lambda: asyncio.run(asynchronous()),
    "uvloop": lambda: uvloop.run(asynchronous()),
    "native": native,
}


if __name__ == "__main__":
    BARE[sys.argv[1]]()
