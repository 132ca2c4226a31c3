"""The variants of a config for each kind of machine, configs/{cpu,cuda,tensorrt}.pbtxt, made from config.pbtxt.

Triton reads one of them when it is started with --model-config-name=cuda, and config.pbtxt where a model has none.
Decisions a reader would question:
- TF32 is off: with it, which is onnxruntime's default on a GPU, a float32 network gives other vectors than elsewhere.
- The search for convolutions is the heuristic one: the exhaustive default measures again for every new batch size.
- An engine of TensorRT is cached under the digest of the artifact. onnxruntime's own key is the names of the nodes,
  which two versions share: the second would answer with the first's weights.
- The range of shapes is given for a branch only. TensorRT takes no uint8 Concat, so the inputs of its part of a full
  graph are inner values; it then finds the ranges by itself, and builds anew when a batch is larger than all before.
"""

from __future__ import annotations

from artifact.repository.tuning import ModelConfig, Tuning, apply_tuning, recorded_tuning

CONFIGS_FOLDER = "configs"
CUDA_OPTIONS = {"use_tf32": "0"}
CUDA_PARAMETERS = {"cudnn_conv_algo_search": "1"}
"""Parameters of the model: the backend overwrites this one where it stands among the accelerator's."""
_OPTIMAL_ROWS = 16
"""TensorRT chooses its kernels for this many rows where no measurement says better."""


def config_variants(config: ModelConfig, *, digest: str | None, where: object) -> dict[str, ModelConfig]:
    """{variant: config} of a network's config.

    Args:
        digest: of the one artifact that the config serves; None if there is no such, then engines are not cached.

    Raises:
        RepositoryError: a record of tuning that cannot be read.
    """
    cuda = _for_device(config, "cuda", where=where)
    cuda_accelerator = cuda.optimization.execution_accelerators.gpu_execution_accelerator.add(name="cuda")
    cuda_accelerator.parameters.update(CUDA_OPTIONS)
    for key, value in CUDA_PARAMETERS.items():
        cuda.parameters[key].string_value = value
    tensorrt = type(config)()
    tensorrt.CopyFrom(cuda)  # what TensorRT does not take runs on CUDA
    accelerator = tensorrt.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
    accelerator.parameters.update(_tensorrt_options(tensorrt, digest))
    return {"cpu": _for_device(config, "cpu", where=where), "cuda": cuda, "tensorrt": tensorrt}


def _for_device(config: ModelConfig, device: str, *, where: object) -> ModelConfig:
    variant = type(config)()
    variant.CopyFrom(config)
    apply_tuning(variant, recorded_tuning(config, device, where=where) or Tuning(device=device))
    return variant


def _tensorrt_options(config: ModelConfig, digest: str | None) -> dict[str, str]:
    options = {"precision_mode": "FP16"}
    if digest:  # relative: a folder where tritonserver was started
        options |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": f"lookalike-tensorrt-{digest[:16]}"}
    if len(config.input) == 1:
        best = max(config.dynamic_batching.preferred_batch_size, default=min(_OPTIMAL_ROWS, config.max_batch_size))
        for which, rows in (("min", 1), ("opt", best), ("max", config.max_batch_size)):
            options[f"trt_profile_{which}_shapes"] = ",".join(
                f"{tensor.name}:{'x'.join(map(str, (rows, *tensor.dims)))}" for tensor in config.input
            )
    return options
