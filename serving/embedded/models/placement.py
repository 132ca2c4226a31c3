"""The places where the instances of a model run, as `instance_group` and the server's device say.

Decisions a reader would question:
- Where groups say KIND_AUTO, or nothing, the server's `device` decides, and not what the machine has: an operator who
  asked for a CPU gets one.
- KIND_GPU asks for a GPU. Without one the load fails, as in Triton; to answer slowly instead would hide the mistake. A
  group that `tune` wrote is no such wish: it says what is fast on that device, and counts there only.
- Of our own networks, groups of another kind than the server's device do not count, as before; of other people's
  models each group runs where it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import model_config_pb2

from artifact.errors import RepositoryError
from artifact.repository.tuning import TUNING_PARAMETER, ModelConfig

_GROUP = model_config_pb2.ModelInstanceGroup
GPU_DEVICES = ("cuda", "tensorrt")


@dataclass(frozen=True)
class Place:
    """The device of one instance; `gpu` is its number where it is one."""

    device: str
    gpu: int = 0


def require_groups(config: ModelConfig, device: str, *, where: object) -> None:
    """Raise RepositoryError for instance groups that this server cannot follow.

    Args:
        device: of the server.
    """
    is_tuned = any(key.startswith(TUNING_PARAMETER) for key in config.parameters)
    for index, group in enumerate(config.instance_group):
        name = group.name or f"{config.name}_{index}"
        label = f"instance group {name} of model {config.name}"
        if group.kind == _GROUP.KIND_MODEL:
            raise RepositoryError(f"{label} has kind KIND_MODEL, which onnxruntime models have not", where=where)
        if group.kind == _GROUP.KIND_CPU and len(group.gpus):
            raise RepositoryError(f"{label} has kind KIND_CPU but specifies one or more GPUs", where=where)
        if group.kind == _GROUP.KIND_GPU and device not in GPU_DEVICES and not is_tuned:
            raise RepositoryError(
                f"{label} has kind KIND_GPU but this server runs on the CPU",
                expected="a server with `--device cuda`",
                got=f"device {device}",
                where=where,
            )
        if group.count < 0 or any(gpu < 0 for gpu in group.gpus):
            raise RepositoryError(f"{label} has a negative number", where=where)


def places_of(config: ModelConfig, device: str) -> list[Place]:
    """The places of a model's instances, each group where it says; groups as `require_groups` leaves them.

    As in Triton a group of GPUs has `count` instances on each of them.
    """
    places = []
    for group in config.instance_group:
        on_cpu = group.kind == _GROUP.KIND_CPU or device not in GPU_DEVICES
        each = [Place("cpu")] if on_cpu else [Place(device, gpu) for gpu in gpus_of(group)]
        places += each * max(1, group.count)
    return places or [Place(device)]


def gpus_of(group: Any) -> list[int]:
    """The GPUs of a group; the first one where it names none."""
    return list(group.gpus) or [0]
