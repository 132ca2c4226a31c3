"""The accelerators that a config asks for (`optimization.execution_accelerators`), as providers of onnxruntime.

One that is not there is an error. Triton leaves out those of the GPU where an instance runs on the CPU; here what is
asked for is there, or the model is not served. Options that name files or libraries are refused: they would load code
or write outside the cache folder, where TensorRT's engines are kept (serving/sessions.py).
"""

from __future__ import annotations

import re
from typing import Any

from artifact.errors import RepositoryError
from artifact.repository.tuning import ModelConfig
from serving.embedded.models.placement import GPU_DEVICES

_OURS = ("trt_engine_cache_enable", "trt_engine_cache_path", "trt_engine_cache_prefix")
"""Options for which this server has values of its own."""
_PRECISIONS = {"FP32": {}, "FP16": {"trt_fp16_enable": "1"}, "BF16": {"trt_bf16_enable": "1"}}
_TENSORRT = (
    "max_workspace_size_bytes",
    "trt_max_partition_iterations",
    "trt_min_subgraph_size",
    "trt_force_sequential_engine_build",
    "trt_context_memory_sharing_enable",
    "trt_layer_norm_fp32_fallback",
    "trt_build_heuristics_enable",
    "trt_sparsity_enable",
    "trt_builder_optimization_level",
    "trt_auxiliary_streams",
    "trt_profile_min_shapes",
    "trt_profile_opt_shapes",
    "trt_profile_max_shapes",
    "trt_cuda_graph_enable",
)
_CUDA = (
    "arena_extend_strategy",
    "cudnn_conv_algo_search",
    "cudnn_conv_use_max_workspace",
    "cudnn_conv1d_pad_to_nc1d",
    "do_copy_in_default_stream",
    "enable_cuda_graph",
    "gpu_mem_limit",
    "prefer_nhwc",
    "use_tf32",
)
_VALUE = re.compile(r"[\w.:,-]*", re.ASCII)


def accelerated(config: ModelConfig, device: str, *, where: object) -> tuple[str, dict[str, str]]:
    """The device on which a model runs, and the options of its provider.

    Args:
        device: of the server.

    Raises:
        RepositoryError: an accelerator that is not there, or an option that is not taken.
    """
    asked = config.optimization.execution_accelerators
    for accelerator in asked.cpu_execution_accelerator:
        raise _missing(accelerator.name, device, where)
    options: dict[str, str] = {}
    for accelerator in sorted(asked.gpu_execution_accelerator, key=lambda each: each.name != "cuda"):
        if accelerator.name not in GPU_DEVICES or device not in GPU_DEVICES:
            raise _missing(accelerator.name, device, where)
        is_tensorrt = accelerator.name == "tensorrt"
        device = "tensorrt" if is_tensorrt else device
        options = _options(accelerator, _TENSORRT if is_tensorrt else _CUDA, where)
    return device, options


def _options(accelerator: Any, known: tuple[str, ...], where: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in accelerator.parameters.items():
        if key in _OURS:
            continue
        if key == "precision_mode" and value in _PRECISIONS:
            found |= _PRECISIONS[value]
        elif key in known and _VALUE.fullmatch(value):
            found["trt_max_workspace_size" if key == "max_workspace_size_bytes" else key] = value
        else:
            raise RepositoryError(
                f"parameter {key!r} of accelerator {accelerator.name!r} is not taken", got=repr(value), where=where
            )
    return found


def _missing(name: str, device: str, where: object) -> RepositoryError:
    there = "cuda, tensorrt" if device in GPU_DEVICES else "none, since it runs on the CPU"
    return RepositoryError(
        f"execution accelerator {name!r} is not there",
        expected=f"one that this server has: {there}",
        where=where,
        mend="take it out of config.pbtxt, or start the server with --device cuda or tensorrt",
    )
