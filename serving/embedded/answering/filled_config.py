"""A model's config as Triton tells it: with what it fills in where config.pbtxt says nothing.

Clients that read a config (perf_analyzer is one) find each field where they would find it there.
"""

from __future__ import annotations

from tritonclient.grpc import model_config_pb2

from artifact.repository.triton_config import ModelConfig

_FILES = {"onnxruntime": "model.onnx", "python": "model.py"}
_PLATFORMS = {"onnxruntime": "onnxruntime_onnx"}


def filled_config(name: str, config: ModelConfig, *, device: str) -> ModelConfig:
    """A copy of a config under the name of its folder, with Triton's defaults.

    Args:
        name: of the folder.
        device: `cpu`, `cuda` or `tensorrt`, where a group of instances runs that names neither.
    """
    filled = model_config_pb2.ModelConfig()
    filled.CopyFrom(config)
    filled.name = name
    if not filled.HasField("version_policy"):
        filled.version_policy.latest.num_versions = 1
    if filled.HasField("ensemble_scheduling"):
        filled.model_transaction_policy.SetInParent()
        return filled
    filled.platform = filled.platform or _PLATFORMS.get(filled.backend, "")
    filled.default_model_filename = filled.default_model_filename or _FILES.get(filled.backend, "")
    for memory in ("input_pinned_memory", "output_pinned_memory"):
        if not filled.optimization.HasField(memory):
            getattr(filled.optimization, memory).enable = True
    if filled.HasField("dynamic_batching") and not filled.dynamic_batching.preferred_batch_size:
        filled.dynamic_batching.preferred_batch_size.extend([filled.max_batch_size] * (filled.max_batch_size > 0))
    kinds = model_config_pb2.ModelInstanceGroup
    for index, group in enumerate(filled.instance_group or [filled.instance_group.add()]):
        group.name = group.name or f"{name}_{index}"
        group.count = group.count or 1
        if group.kind == kinds.KIND_AUTO:
            group.kind = kinds.KIND_CPU if device == "cpu" else kinds.KIND_GPU
    return filled
