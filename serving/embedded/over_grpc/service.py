"""The Open Inference Protocol over gRPC: tritonclient's servicer, each method a translation and one call.

What this server does not do (shared memory, tracing, log settings) it says with UNIMPLEMENTED, and its extensions list
only what it does: a client that asks first is never surprised.
"""

# ruff: noqa: N802 - the methods have the names of the protocol

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

import grpc
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceServicer, add_GRPCInferenceServiceServicer_to_server

from serving.embedded.answering.absent import LOG_SETTINGS, SHARED_MEMORY, TRACING, require_no_region
from serving.embedded.answering.control import Control
from serving.embedded.answering.inference import answer, note_refused
from serving.embedded.answering.refusals import refusal
from serving.embedded.models.store import ModelStore
from serving.embedded.operations.recorder import Recorder
from serving.embedded.over_grpc.calls import Calls
from serving.embedded.over_grpc.messages import infer_response, read_request, unload_dependents
from serving.embedded.over_grpc.origin import GrpcOrigin
from serving.embedded.over_grpc.wire import ReceivedRequest, received_request
from serving.embedded.requests.caller import Presence
from serving.protocol import STOPPING


def _unary(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose errors become the call's status."""

    @functools.wraps(method)
    def answering(self: GrpcService, request: Any, context: grpc.ServicerContext) -> Any:
        self.calls.begin(context)
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
        recorder: is told of every request for an inference.
        resting: see Presence.

    Attributes:
        calls: that are open.
    """

    def __init__(
        self,
        store: ModelStore,
        *,
        version: str,
        report: Callable[[str], None],
        recorder: Recorder | None = None,
        resting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._store, self._report, self._recorder, self._resting = store, report, recorder, resting
        self.calls = Calls()
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
        return self._infer(request, context, GrpcOrigin(context, "grpc"))

    def ModelStreamInfer(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """One answer a request, in order; a refusal is an answer too, and the stream goes on.

        When the server stops, a stream ends after the answer that it is at: whatever was not answered did not run.
        """
        origin = GrpcOrigin(context, "stream")
        while (request := self._next(requests)) is not None:
            if not self.calls.begin_in_stream():
                context.abort(grpc.StatusCode.UNAVAILABLE, STOPPING)
            try:
                yield self._stream_answer(request, context, origin)  # comes back once the answer is sent
            finally:
                self.calls.end_in_stream()

    def _next(self, requests: Iterator[Any]) -> Any:
        """The next request of a stream; None at its end."""
        with self._resting():
            return next(requests, None)

    def _stream_answer(self, request: ReceivedRequest, context: grpc.ServicerContext, origin: GrpcOrigin) -> Any:
        response = messages.ModelStreamInferResponse()
        try:
            response.infer_response.CopyFrom(self._infer(request, context, origin))
            response.infer_response.parameters["triton_final_response"].bool_param = True
        except Exception as error:
            response.error_message = refusal(error, self._report).text
            response.infer_response.id = request.message.id
        return response

    def _infer(self, received: ReceivedRequest, context: grpc.ServicerContext, origin: GrpcOrigin) -> Any:
        request = received.message
        if received.error is not None:
            note_refused(self._recorder, received.error, origin)
            raise received.error
        answered = answer(
            self._store,
            request.model_name,
            request.model_version,
            lambda _: read_request(request, received.raw),
            num_bytes=received.num_bytes,
            presence=self._presence(context),
            recorder=self._recorder,
            origin=origin,
        )
        return infer_response(request, answered)

    def _presence(self, context: grpc.ServicerContext) -> Presence:
        """Whether a call's client is still there; gRPC tells of the end of every call, answered or not."""

        def when_gone(call: Callable[[], None]) -> None:
            if not context.add_callback(call):
                call()

        return Presence(context.is_active, when_gone, self._resting)

    @_unary
    def RepositoryIndex(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._control.index(repository=request.repository_name, only_ready=request.ready)

    @_unary
    def RepositoryModelLoad(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._control.load(request.model_name, repository=request.repository_name, parameters=request.parameters)
        return messages.RepositoryModelLoadResponse()

    @_unary
    def RepositoryModelUnload(self, request: Any, context: grpc.ServicerContext) -> Any:
        dependents = unload_dependents(request)
        self._control.unload(request.model_name, repository=request.repository_name, dependents=dependents)
        return messages.RepositoryModelUnloadResponse()

    @_unary
    def SystemSharedMemoryStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        require_no_region("system", request.name)
        return messages.SystemSharedMemoryStatusResponse()

    @_unary
    def CudaSharedMemoryStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        require_no_region("cuda", request.name)
        return messages.CudaSharedMemoryStatusResponse()

    def SystemSharedMemoryRegister(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        _unsupported(context, SHARED_MEMORY)

    SystemSharedMemoryUnregister = SystemSharedMemoryRegister
    CudaSharedMemoryRegister = SystemSharedMemoryRegister
    CudaSharedMemoryUnregister = SystemSharedMemoryRegister

    def TraceSetting(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        _unsupported(context, TRACING)

    def LogSettings(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        _unsupported(context, LOG_SETTINGS)


class _Handlers:
    """Takes what tritonclient would give to a server, to look at inferences before they are parsed."""

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """The same ones, for servers of before; not needed."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        self.service, self.by_name = service, dict(handlers)


def add_to_server(service: GrpcService, server: Any) -> None:
    """Let a grpc.Server answer by a service."""
    found = _Handlers()
    add_GRPCInferenceServiceServicer_to_server(service, found)
    for name in ("ModelInfer", "ModelStreamInfer"):
        found.by_name[name] = found.by_name[name]._replace(request_deserializer=received_request)
    server.add_registered_method_handlers(found.service, found.by_name)


def _unsupported(context: grpc.ServicerContext, text: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
    raise AssertionError("abort raises")
