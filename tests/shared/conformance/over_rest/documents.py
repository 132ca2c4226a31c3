"""JSON that both servers give of themselves and their models: the fields that clients rest on."""

from __future__ import annotations

from typing import Any

from tests.shared.conformance.over_rest.answers import Holds
from tests.shared.conformance.served import MODELS


def _tensor(name: str, datatype: str, *shape: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def _metadata(name: str, platform: str, inputs: list[Any], outputs: list[Any]) -> Holds:
    return Holds({"name": name, "versions": ["1"], "platform": platform, "inputs": inputs, "outputs": outputs})


def _config(name: str, backend: str, input: dict[str, Any], **more: Any) -> Holds:  # noqa: A002 - the field's name
    told = {"name": name, "backend": backend, "max_batch_size": 64, "model_warmup": [], "input": [input]}
    return Holds(told | more)


SERVER = Holds({"name": ..., "version": ..., "extensions": ...})
PETS = _metadata(
    "pets", "onnxruntime_onnx", [_tensor("image", "UINT8", -1, 8, 8, 3)], [_tensor("embedding", "FP32", -1, 4)]
)
PAIRS = _metadata(
    "pairs",
    "onnxruntime_onnx",
    [_tensor("left", "UINT8", -1, 12, 12, 3), _tensor("right", "UINT8", -1, 12, 12, 3)],
    [
        _tensor("embedding_left", "FP32", -1, 3),
        _tensor("embedding_right", "FP32", -1, 3),
        _tensor("distance_left_right", "FP32", -1, 1),
    ],
)
ENCODED = _metadata(
    "pets_encoded", "ensemble", [_tensor("image", "BYTES", -1, 1)], [_tensor("embedding", "FP32", -1, 4)]
)
DECODE = _metadata(
    "pets_decode", "python", [_tensor("image", "BYTES", -1, 1)], [_tensor("image_pixels", "UINT8", -1, 8, 8, 3)]
)
_IMAGE = {"name": "image", "data_type": "TYPE_STRING", "format": "FORMAT_NONE", "dims": [1], "optional": False}
CONFIG = _config(
    "pets",
    "onnxruntime",
    {"name": "image", "data_type": "TYPE_UINT8", "dims": [8, 8, 3], "allow_ragged_batch": False},
    output=[{"name": "embedding", "data_type": "TYPE_FP32", "dims": [4], "label_filename": ""}],
    version_policy={"latest": {"num_versions": 1}},
    dynamic_batching={"max_queue_delay_microseconds": 0, "preserve_ordering": False, "priority_levels": 0},
    parameters={"lookalike.digest.1": {"string_value": ...}, "lookalike.manifest.1": {"string_value": ...}},
)
ENCODED_CONFIG = _config(
    "pets_encoded",
    "",
    _IMAGE,
    platform="ensemble",
    ensemble_scheduling={
        "step": [
            {
                "model_name": "pets_decode",
                "model_version": -1,
                "input_map": {"image": "image"},
                "output_map": {"image_pixels": "image_pixels"},
            },
            {
                "model_name": "pets",
                "model_version": -1,
                "input_map": {"image": "image_pixels"},
                "output_map": {"embedding": "embedding"},
            },
        ]
    },
)
DECODE_CONFIG = _config("pets_decode", "python", _IMAGE, output=[{"name": "image_pixels", "data_type": "TYPE_UINT8"}])
_COUNTS = {"count": ..., "ns": ...}
STATISTICS = Holds(
    {
        "model_stats": [
            {
                "name": "pets",
                "version": "1",
                "last_inference": ...,
                "inference_count": ...,
                "execution_count": ...,
                "inference_stats": dict.fromkeys(
                    (
                        "success",
                        "fail",
                        "queue",
                        "compute_input",
                        "compute_infer",
                        "compute_output",
                        "cache_hit",
                        "cache_miss",
                    ),
                    _COUNTS,
                ),
                "batch_stats": ...,
                "memory_usage": [],
            }
        ]
    }
)
_NAMES = sorted(model.name + suffix for model in MODELS for suffix in ("", "_decode", "_encoded"))
ALL_STATISTICS = Holds({"model_stats": [{"name": name, "version": ...} for name in _NAMES]})
INDEX = Holds([{"name": name, "version": ..., "state": ...} for name in _NAMES])
TRACE = Holds({"trace_level": ["OFF"], "trace_mode": "triton"})
LOGGING = Holds({"log_file": "", "log_info": True, "log_verbose_level": 0})
