"""The reason why a server does not answer for a model: no such model, no such version, or there and not ready."""

from __future__ import annotations

from tritonclient.grpc import service_pb2

from artifact.errors import LookalikeError, ModelNotFoundError, ServerError, UnavailableError
from artifact.repository.triton_config import DECODE_SUFFIX, ENCODED_SUFFIX
from serving.client.connections.calls import Calls
from serving.protocol import READY


def absent(calls: Calls, model: str, version: int) -> LookalikeError:
    """The error to raise where the server does not have `version` of `model`."""
    try:
        index = calls.call("RepositoryIndex", service_pb2.RepositoryIndexRequest()).models
    except ServerError:  # a server may keep its list to itself
        index = []
    entries = [entry for entry in index if entry.name == model]
    served = sorted(int(entry.version or 1) for entry in entries if entry.state == READY)
    if served:
        there = ", ".join(map(str, served))
        return ModelNotFoundError(
            f"the server has no version {version} of model {model!r}", expected=f"one of {there}", where=calls.url
        )
    if entries:
        reason = next((entry.reason for entry in entries if entry.reason), "not loaded")
        return UnavailableError(f"model {model!r} is not ready", got=reason, where=calls.url)
    ready = {entry.name for entry in index if entry.state == READY}
    names = sorted(ready - {name + suffix for name in ready for suffix in (DECODE_SUFFIX, ENCODED_SUFFIX)})
    return ModelNotFoundError(
        f"the server has no model {model!r}",
        expected=f"one of {', '.join(names)}" if names else None,
        where=calls.url,
    )
