"""The tuning in a model's config: instances, threads and batch size on one machine, and what was measured.

It stands in config.pbtxt and not in the artifact: the artifact's bytes are the same everywhere, machines are not. Each
device has its own record, so that measuring one leaves the other's settings alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tritonclient.grpc import model_config_pb2

from artifact.errors import RepositoryError

ModelConfig = Any  # tritonclient ships no types; this is model_config_pb2.ModelConfig

TUNING_PARAMETER = "lookalike.tuning."
INTRA_THREADS, INTER_THREADS = "intra_op_thread_count", "inter_op_thread_count"
"""Parameters that Triton's onnxruntime backend reads."""

_GROUP = model_config_pb2.ModelInstanceGroup
INSTANCE_KINDS: dict[str, int] = {"cpu": _GROUP.KIND_CPU, "cuda": _GROUP.KIND_GPU, "tensorrt": _GROUP.KIND_GPU}


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Settings for one device that a measurement chose, and what it measured.

    Attributes:
        device: `cpu`, `cuda` or `tensorrt`.
        instances: sessions that run at the same time.
        threads: of one run; 0 leaves it to the server.
        preferred_rows: requests are merged up to this many rows; 0 for as many as may be.
        record: what was measured, when and on what; any JSON.
    """

    device: str
    instances: int = 1
    threads: int = 0
    preferred_rows: int = 0
    record: dict[str, Any] = field(default_factory=dict)


def set_tuning(config: ModelConfig, tuning: Tuning) -> None:
    """Enter a tuning into a config: as its settings, and as the record of its device."""
    apply_tuning(config, tuning)
    chosen = {"instances": tuning.instances, "threads": tuning.threads, "preferred_batch_size": tuning.preferred_rows}
    text = json.dumps({"chosen": chosen} | tuning.record, sort_keys=True, separators=(",", ":"))
    config.parameters[TUNING_PARAMETER + tuning.device].string_value = text


def apply_tuning(config: ModelConfig, tuning: Tuning) -> None:
    """Make a tuning the settings of a config, with the device that it is for."""
    del config.instance_group[:]
    config.instance_group.add(count=tuning.instances, kind=INSTANCE_KINDS[tuning.device])
    del config.dynamic_batching.preferred_batch_size[:]
    config.dynamic_batching.SetInParent()
    if tuning.preferred_rows:
        config.dynamic_batching.preferred_batch_size.append(tuning.preferred_rows)
    for parameter, count in ((INTRA_THREADS, tuning.threads), (INTER_THREADS, 1)):
        config.parameters.pop(parameter, None)
        if tuning.threads:
            config.parameters[parameter].string_value = str(count)


def recorded_tuning(config: ModelConfig, device: str, *, where: object) -> Tuning | None:
    """The tuning of a device that a config carries; None if it was never measured.

    Raises:
        RepositoryError: a record that is not what `set_tuning` wrote.
    """
    key = TUNING_PARAMETER + device
    if key not in config.parameters:
        return None
    try:
        record = json.loads(config.parameters[key].string_value)
        chosen = record.pop("chosen")
        return Tuning(
            device=device,
            instances=int(chosen["instances"]),
            threads=int(chosen["threads"]),
            preferred_rows=int(chosen["preferred_batch_size"]),
            record=record,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RepositoryError(
            f"parameter {key!r}",
            expected="a record of `lookalike tune`",
            got=str(error),
            where=where,
            mend="`lookalike tune` writes it anew",
        ) from None


def settings_for(config: ModelConfig, device: str, *, where: object) -> Tuning:
    """A config's settings for a device, whoever wrote them; what is for another device only does not count.

    Raises:
        RepositoryError: a number of threads that is none.
    """
    kinds = (_GROUP.KIND_AUTO, INSTANCE_KINDS.get(device))
    groups = [group for group in config.instance_group if group.kind in kinds]
    if not groups and config.instance_group:
        return Tuning(device=device)
    text = config.parameters[INTRA_THREADS].string_value if INTRA_THREADS in config.parameters else "0"
    if not (text.isascii() and text.isdigit()):
        raise RepositoryError(f"parameter {INTRA_THREADS!r}", expected="a number", got=repr(text), where=where)
    return Tuning(
        device=device,
        instances=sum(max(1, group.count) * _num_places(group, device) for group in groups) or 1,
        threads=int(text),
        preferred_rows=max(config.dynamic_batching.preferred_batch_size, default=0),
    )


def _num_places(group: Any, device: str) -> int:
    """The devices on each of which a group has its instances."""
    return max(1, len(group.gpus)) if INSTANCE_KINDS.get(device) == _GROUP.KIND_GPU else 1
