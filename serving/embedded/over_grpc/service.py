"""The Open Inference Protocol over gRPC: tritonclient's servicer, each method a translation and one call.

What this server does not do (shared memory, tracing, log settings) it says with UNIMPLEMENTED, and its extensions list
only what it does: a client that asks first is never surprised.
"""

# ruff: noqa: N802 - the methods have the names of the protocol

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import grpc
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceServicer

from serving.embedded.answering.control import Control
from serving.embedded.answering.inference import answer
from serving.embedded.answering.refusals import refusal
from serving.embedded.models.store import ModelStore
from serving.embedded.over_grpc.messages import infer_response, read_request
from serving.embedded.requests.caller import Presence


def _unary(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose errors become the call's status."""

    @functools.wraps(method)
    def answering(self: GrpcService, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except Exception as error:
            code, text = refusal(error, self._report)
        return context.abort(grpc.StatusCode[code.value], text)

    return answering


class GrpcService(GRPCInferenceServiceServicer):  # type: ignore[misc]  # tritonclient has no types
    """Answers for the models of a store.

    Args:
        store: the models.
        version: of this server, told in its metadata.
        report: gets one line for every error that is this server's own fault.
    """

    def __init__(self, store: ModelStore, *, version: str, report: Callable[[str], None]) -> None:
        self._store, self._report = store, report
        self._control = Control(store, version=version)

    def ServerLive(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.ServerLiveResponse(live=True)

    def ServerReady(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.ServerReadyResponse(ready=self._control.is_ready())

    @_unary
    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.ModelReadyResponse(ready=self._control.is_model_ready(request.name, request.version))

    def ServerMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._control.server_metadata()

    @_unary
    def ModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._control.model_metadata(request.name, request.version)

    @_unary
    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._control.model_config(request.name, request.version)

    @_unary
    def ModelStatistics(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._control.statistics(request.name, request.version)

    @_unary
    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._infer(request, context)

    def ModelStreamInfer(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """One answer a request, in order; a refusal is an answer too, and the stream goes on."""
        for request in requests:
            response = messages.ModelStreamInferResponse()
            try:
                response.infer_response.CopyFrom(self._infer(request, context))
                response.infer_response.parameters["triton_final_response"].bool_param = True
            except Exception as error:
                response.error_message = refusal(error, self._report).text
                response.infer_response.id = request.id
            yield response

    def _infer(self, request: Any, context: grpc.ServicerContext) -> Any:
        answered = answer(
            self._store,
            request.model_name,
            request.model_version,
            lambda _: read_request(request),
            num_bytes=request.ByteSize(),
            presence=_presence(context),
        )
        return infer_response(request, answered)

    @_unary
    def RepositoryIndex(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._control.index(repository=request.repository_name, only_ready=request.ready)

    @_unary
    def RepositoryModelLoad(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._control.load(request.model_name, repository=request.repository_name, parameters=request.parameters)
        return messages.RepositoryModelLoadResponse()

    @_unary
    def RepositoryModelUnload(self, request: Any, context: grpc.ServicerContext) -> Any:
        dependents = "unload_dependents" in request.parameters and request.parameters["unload_dependents"].bool_param
        self._control.unload(request.model_name, repository=request.repository_name, dependents=dependents)
        return messages.RepositoryModelUnloadResponse()

    def SystemSharedMemoryStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.SystemSharedMemoryStatusResponse()

    def CudaSharedMemoryStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.CudaSharedMemoryStatusResponse()

    def SystemSharedMemoryRegister(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        _unsupported(context, "shared memory is off: send raw contents")

    SystemSharedMemoryUnregister = SystemSharedMemoryRegister
    CudaSharedMemoryRegister = SystemSharedMemoryRegister
    CudaSharedMemoryUnregister = SystemSharedMemoryRegister

    def TraceSetting(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        _unsupported(context, "tracing is not supported")

    def LogSettings(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        _unsupported(context, "log settings cannot be read or changed over the network")


def _presence(context: grpc.ServicerContext) -> Presence:
    """Whether a call's client is still there; gRPC tells of the end of every call, answered or not."""

    def when_gone(call: Callable[[], None]) -> None:
        if not context.add_callback(call):
            call()

    return Presence(context.is_active, when_gone)


def _unsupported(context: grpc.ServicerContext, text: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
    raise AssertionError("abort raises")
