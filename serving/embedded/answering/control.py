"""What clients ask and tell besides inferences, whatever the transport: metadata, configs, statistics, the repository.

Answers are the protocol's messages, tritonclient's generated classes: gRPC sends them, REST writes them as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tritonclient.grpc import service_pb2 as messages

from artifact.errors import InvalidRequestError, ModelNotFoundError, UnavailableError, UnsupportedError
from serving.embedded.answering.filled_config import filled_config
from serving.embedded.batching.statistics import BatchCounts, Duration
from serving.embedded.models.servables import Servable
from serving.embedded.models.store import ModelStore
from serving.embedded.requests.signature import Signature

EXTENSIONS = (
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
"""Those of Triton's that this server has, in its order."""


class Control:
    """Answers for the models of a store.

    Args:
        store: the models.
        version: of this server, told in its metadata.
    """

    def __init__(self, store: ModelStore, *, version: str) -> None:
        self._store, self._version = store, version

    def is_ready(self) -> bool:
        """Whether the server takes requests."""
        return self._store.is_ready

    def is_model_ready(self, name: str, version: str) -> bool:
        """Whether a version answers; raises InvalidRequestError for a version that is no number."""
        if self._store.is_stopping:
            return False
        try:
            self._store.find(name, version)
        except (ModelNotFoundError, UnavailableError):
            return False
        return True

    def server_metadata(self) -> Any:
        return messages.ServerMetadataResponse(name="lookalike", version=self._version, extensions=EXTENSIONS)

    def model_metadata(self, name: str, version: str) -> Any:
        servable = self._store.find(name, version)
        versions = [servable.version] if version else self._store.versions(name)
        return _metadata(servable.signature, versions, servable.platform)

    def model_config(self, name: str, version: str) -> Any:
        config = filled_config(name, self._store.config(name, version), device=self._store.device)
        return messages.ModelConfigResponse(config=config)

    def statistics(self, name: str, version: str) -> Any:
        """Of one version, of every version of a model, or of all models."""
        response = messages.ModelStatisticsResponse()
        for each in [name] if name else self._store.names():
            try:
                versions = [version] if version else map(str, self._store.versions(each))
                servables = [self._store.find(each, number) for number in versions]
            except (ModelNotFoundError, UnavailableError):
                servables = []
            if not servables and name:
                raise InvalidRequestError(
                    f"requested model version is not available for model '{name}'"
                    if self._store.versions(name)
                    else f"requested model '{name}' is not available"
                )
            response.model_stats.extend(_statistics(each, servable) for servable in servables)
        return response

    def index(self, *, repository: str, only_ready: bool) -> Any:
        _require_no_repository(repository)
        response = messages.RepositoryIndexResponse()
        for entry in self._store.index(only_ready=only_ready):
            response.models.add(name=entry.name, version=entry.version, state=entry.state, reason=entry.reason)
        return response

    def load(self, name: str, *, repository: str, parameters: Iterable[str]) -> None:
        """Load a model as the repository has it; raises for any of the parameters, which would bring another."""
        _require_no_repository(repository)
        for key in parameters:
            if key == "config" or key.startswith("file:"):
                raise UnsupportedError("a model's config and files come from the repository only", got=repr(key))
            raise InvalidRequestError(f"unrecognized load parameter '{key}'.")
        self._require_explicit()
        self._store.load(name)

    def unload(self, name: str, *, repository: str, dependents: bool) -> None:
        _require_no_repository(repository)
        self._require_explicit()
        self._store.unload(name, dependents=dependents)

    def _require_explicit(self) -> None:
        """Raise UnavailableError where nobody may load or unload, in Triton's words for poll and for none."""
        if self._store.control != "explicit":
            raise UnavailableError("explicit model load / unload is not allowed if polling is enabled")


def _require_no_repository(name: str) -> None:
    if name:
        raise UnsupportedError("'repository_name' specification is not supported")


def _metadata(signature: Signature, versions: Sequence[int], platform: str) -> Any:
    """Names, types and shapes of a model, -1 for the batch where it has one."""
    response = messages.ModelMetadataResponse(
        name=signature.model, versions=[str(version) for version in versions], platform=platform
    )
    for specs, field in ((signature.inputs, response.inputs), (signature.outputs, response.outputs)):
        for spec in specs:
            shape = (-1, *spec.dims) if signature.max_rows else spec.dims
            field.add(name=spec.name, datatype=spec.datatype, shape=shape)
    return response


def _statistics(name: str, servable: Servable) -> Any:
    """ModelStatistics of one version."""
    counted = servable.statistics
    message = messages.ModelStatistics(name=name, version=str(servable.version))
    with counted.lock:
        message.last_inference = counted.last_inference_ms
        message.inference_count = counted.inference_count
        message.execution_count = counted.execution_count
        for field, duration in (("success", counted.success), ("fail", counted.fail), ("queue", counted.queue)):
            _set(getattr(message.inference_stats, field), duration)
        _set_parts(message.inference_stats, counted.requests)
        _set(message.inference_stats.cache_hit, counted.cache_hit)
        _set(message.inference_stats.cache_miss, counted.cache_miss)
        for num_rows, counts in sorted(counted.batches.items()):
            _set_parts(message.batch_stats.add(batch_size=num_rows), counts)
    return message


def _set_parts(message: Any, counts: BatchCounts) -> None:
    _set(message.compute_input, counts.compute_input)
    _set(message.compute_infer, counts.compute_infer)
    _set(message.compute_output, counts.compute_output)


def _set(message: Any, duration: Duration) -> None:
    message.SetInParent()
    message.count, message.ns = duration.count, duration.ns
