"""A published model's config.pbtxt as the server obeys it: its signature, its queue policy, and whether it changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tritonclient.grpc import model_config_pb2

from artifact.errors import RepositoryError
from artifact.repository.reading import PublishedModel
from artifact.repository.triton_config import ModelConfig
from artifact.repository.tuning import INTRA_THREADS
from serving.embedded.batching.policy import BatchingPolicy, LevelPolicy
from serving.embedded.options import ServerOptions
from serving.embedded.requests.signature import Signature
from serving.embedded.requests.tensors import TensorSpec
from serving.protocol import BYTES


def network_fingerprint(published: PublishedModel, version: int) -> object:
    """Equal for two looks at the repository between which this version did not change, so it need not load again."""
    file = os.stat(published.artifact(version))
    config = published.config
    threads = config.parameters[INTRA_THREADS].string_value if INTRA_THREADS in config.parameters else ""
    batching = config.dynamic_batching.SerializeToString(), config.HasField("dynamic_batching")
    groups = [group.SerializeToString() for group in config.instance_group]
    accelerators = config.optimization.SerializeToString(deterministic=True)
    how = (config.max_batch_size, *batching, *groups, threads, accelerators)
    cached = config.response_cache.SerializeToString(), config.HasField("response_cache")
    how = (*how, *cached)
    digest = published.manifest(version).digest
    return version, digest, file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, how


def require_same_tensors(config: ModelConfig, expected: ModelConfig, *, where: object) -> None:
    """Raise RepositoryError unless a config has the inputs and outputs that its artifact has, and batches."""
    for part in ("input", "output"):
        got_tensors, tensors = list(getattr(config, part)), list(getattr(expected, part))
        if got_tensors != tensors:
            raise RepositoryError(
                f"{part} in config.pbtxt is not the artifact's",
                expected=", ".join(f"{one.name} {list(one.dims)}" for one in tensors),
                got=", ".join(f"{one.name} {list(one.dims)}" for one in got_tensors) or "none",
                where=where,
                mend="publish the model again",
            )
    if config.max_batch_size < 1:
        raise RepositoryError("max_batch_size in config.pbtxt", expected="at least 1", got="0", where=where)


def signature_of(
    name: str,
    config: ModelConfig,
    *,
    max_rows: int | None = None,
    is_ensemble: bool = False,
    labels: Mapping[str, tuple[str, ...]] | None = None,
) -> Signature:
    """The signature that the config of model `name` states, with at most `max_rows` rows a request.

    Args:
        labels: {output: what its places stand for}.
    """
    inputs = tuple(
        TensorSpec(one.name, datatype_of(one.data_type), tuple(one.dims), optional=one.optional) for one in config.input
    )
    outputs = tuple(
        TensorSpec(one.name, datatype_of(one.data_type), tuple(one.dims), labels=(labels or {}).get(one.name, ()))
        for one in config.output
    )
    rows = min(config.max_batch_size, max_rows or config.max_batch_size)
    return Signature(name, rows, inputs, outputs, ensemble_step(name) if is_ensemble else "")


def ensemble_step(name: str) -> str:
    """What Triton puts before a refusal that comes from a step of an ensemble."""
    return f"in ensemble '{name}', "


def datatype_of(data_type: int) -> str:
    """The protocol's name of a config's data type."""
    name = str(model_config_pb2.DataType.Name(data_type)).removeprefix("TYPE_")
    return BYTES if name == "STRING" else name


def batching_policy(config: ModelConfig, options: ServerOptions, preferred_rows: int) -> BatchingPolicy:
    """The rules of the queue that a config states, within the server's bounds.

    Args:
        options: bound what waits for a model, whatever its config says.
        preferred_rows: the size of a run that was measured to be fast; 0 takes those of the config.
    """
    batching, rows = config.dynamic_batching, config.max_batch_size
    preferred = (preferred_rows,) if preferred_rows else tuple(batching.preferred_batch_size)
    return BatchingPolicy(
        max_rows=max(1, rows),
        max_requests=options.max_queue,
        max_bytes=options.max_running_bytes,
        merges=config.HasField("dynamic_batching") and rows > 0,
        preferred_rows=tuple(sorted({min(size, rows) for size in preferred})),
        delay_ns=batching.max_queue_delay_microseconds * 1000,
        in_order=batching.preserve_ordering,
        has_batch=rows > 0,
        varies=any(-1 in one.dims for one in config.input),
        levels=batching.priority_levels,
        default_level=batching.default_priority_level,
        level=_level_policy(batching.default_queue_policy),
        own={level: _level_policy(policy) for level, policy in batching.priority_queue_policy.items()},
    )


def _level_policy(policy: Any) -> LevelPolicy:
    return LevelPolicy(
        max_requests=policy.max_queue_size,
        timeout_us=policy.default_timeout_microseconds,
        may_shorten=policy.allow_timeout_override,
        delays=policy.timeout_action == policy.DELAY,
    )
