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

from artifact.errors import (
    ArtifactError,
    InvalidRequestError,
    LookalikeError,
    ModelNotFoundError,
    UnavailableError,
    UnsupportedError,
)
from artifact.images.image_error import ImageError
from serving.embedded.grpc_messages import (
    config_response,
    infer_response,
    metadata_response,
    read_tensors,
    statistics_message,
)
from serving.embedded.model_config import platform_of
from serving.embedded.models import ModelStore
from serving.embedded.request_parameters import class_counts
from serving.embedded.signature import request_label

STATUS: dict[type[Exception], grpc.StatusCode] = {
    ModelNotFoundError: grpc.StatusCode.NOT_FOUND,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    ImageError: grpc.StatusCode.INVALID_ARGUMENT,
    ArtifactError: grpc.StatusCode.INVALID_ARGUMENT,  # of a load that was asked for
    UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    LookalikeError: grpc.StatusCode.INTERNAL,
}
"""The one table from what went wrong to what the client is told; a class that is not in it stands for its base."""

EXTENSIONS = (
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "statistics",
)


def status_of(error: Exception) -> grpc.StatusCode:
    """The status code of an error; INTERNAL for what is in no table."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), grpc.StatusCode.INTERNAL)


def _unary(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose errors become the call's status."""

    @functools.wraps(method)
    def answer(self: GrpcService, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except Exception as error:
            code, text = self.refusal(error)
        return context.abort(code, text)

    return answer


class GrpcService(GRPCInferenceServiceServicer):  # type: ignore[misc]  # tritonclient has no types
    """Answers for the models of a store.

    Args:
        store: the models.
        version: of this server, told in its metadata.
        report: gets one line for every error that is this server's own fault.
    """

    def __init__(self, store: ModelStore, *, version: str, report: Callable[[str], None]) -> None:
        self._store, self._version, self._report = store, version, report

    def refusal(self, error: Exception) -> tuple[grpc.StatusCode, str]:
        """What the client is told of an error."""
        if isinstance(error, LookalikeError | ImageError):
            return status_of(error), str(error)
        self._report(f"internal error: {type(error).__name__}: {error}")
        return grpc.StatusCode.INTERNAL, f"internal error: {type(error).__name__}"

    def ServerLive(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.ServerLiveResponse(live=True)

    def ServerReady(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.ServerReadyResponse(ready=self._store.is_ready)

    @_unary
    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            self._store.find(request.name, request.version)
        except (ModelNotFoundError, UnavailableError):
            return messages.ModelReadyResponse(ready=False)
        return messages.ModelReadyResponse(ready=True)

    def ServerMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        return messages.ServerMetadataResponse(name="lookalike", version=self._version, extensions=EXTENSIONS)

    @_unary
    def ModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        servable = self._store.find(request.name, request.version)
        versions = [servable.version] if request.version else self._store.versions(request.name)
        return metadata_response(servable.signature, versions, platform_of(request.name))

    @_unary
    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return config_response(request.name, self._store.config(request.name, request.version))

    @_unary
    def ModelStatistics(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Of one version, of every version of a model, or of all models."""
        response = messages.ModelStatisticsResponse()
        for name in [request.name] if request.name else self._store.names():
            try:
                versions = [request.version] if request.version else map(str, self._store.versions(name))
                servables = [self._store.find(name, version) for version in versions]
            except (ModelNotFoundError, UnavailableError):
                servables = []
            if not servables and request.name:
                raise InvalidRequestError(
                    f"requested model version is not available for model '{name}'"
                    if self._store.versions(name)
                    else f"requested model '{name}' is not available"
                )
            response.model_stats.extend(statistics_message(name, servable) for servable in servables)
        return response

    @_unary
    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._infer(request, context)

    def ModelStreamInfer(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """One answer a request, in order; a refusal is an answer too, and the stream goes on."""
        for request in requests:
            answer = messages.ModelStreamInferResponse()
            try:
                answer.infer_response.CopyFrom(self._infer(request, context))
                answer.infer_response.parameters["triton_final_response"].bool_param = True
            except Exception as error:
                answer.error_message = self.refusal(error)[1]
                answer.infer_response.id = request.id
            yield answer

    def _infer(self, request: Any, context: grpc.ServicerContext) -> Any:
        name = request.model_name
        with self._store.running(name, request.model_version, num_bytes=request.ByteSize()) as servable:
            tensors = read_tensors(request, name)
            classes = class_counts(request.outputs)
            outputs = servable.signature.read_outputs([output.name for output in request.outputs])
            label = request_label(request.id)
            num_rows, inputs = servable.signature.read_inputs(tensors, label=label)
            arrays = servable.infer(inputs, num_rows, is_active=context.is_active)
            return infer_response(request, servable, outputs, arrays, classes=classes)

    @_unary
    def RepositoryIndex(self, request: Any, context: grpc.ServicerContext) -> Any:
        _require_no_repository(request)
        response = messages.RepositoryIndexResponse()
        for entry in self._store.index(only_ready=request.ready):
            response.models.add(name=entry.name, version=entry.version, state=entry.state, reason=entry.reason)
        return response

    @_unary
    def RepositoryModelLoad(self, request: Any, context: grpc.ServicerContext) -> Any:
        _require_no_repository(request)
        for key in request.parameters:
            if key == "config" or key.startswith("file:"):
                raise UnsupportedError("a model's config and files come from the repository only", got=repr(key))
            raise InvalidRequestError(f"unrecognized load parameter '{key}'.")
        self._store.load(request.model_name)
        return messages.RepositoryModelLoadResponse()

    @_unary
    def RepositoryModelUnload(self, request: Any, context: grpc.ServicerContext) -> Any:
        _require_no_repository(request)
        dependents = "unload_dependents" in request.parameters and request.parameters["unload_dependents"].bool_param
        self._store.unload(request.model_name, dependents=dependents)
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


def _unsupported(context: grpc.ServicerContext, text: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
    raise AssertionError("abort raises")


def _require_no_repository(request: Any) -> None:
    if request.repository_name:
        raise UnsupportedError("'repository_name' specification is not supported")
