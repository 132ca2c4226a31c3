"""A model that answers every request with the same vector, as every front tells of it: three sizes of one input."""

from __future__ import annotations

import itertools
from typing import Any

from tritonclient.grpc import model_config_pb2, service_pb2

SIZES = {"768 B": 16, "150 KB": 224, "602 KB": 448}
"""Pixels of a side; [side, side, 3] bytes an image."""
DIM = 3


def model_name(size: str) -> str:
    """Of a key of SIZES."""
    return f"side_{SIZES[size]}"


class ConstantModel:
    """The answers; it counts its inferences, for they are what processor time is divided by."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)  # whose `next` no other thread interrupts
        self._told = 0

    def infer(self, request: Any) -> Any:
        """The ModelInferResponse to a request."""
        self.note()
        answer = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1", id=request.id)
        answer.outputs.add(name="embedding", datatype="FP32", shape=[1, DIM])
        answer.raw_output_contents.append(bytes(4 * DIM))
        return answer

    def note(self) -> None:
        """Count one."""
        self._told = next(self._numbers)

    def metadata(self, name: str) -> Any:
        """A ModelMetadataResponse."""
        answer = service_pb2.ModelMetadataResponse(name=name, versions=["1"], platform="onnx")
        answer.inputs.add(name="image", datatype="UINT8", shape=[-1, *_dims(name)])
        answer.outputs.add(name="embedding", datatype="FP32", shape=[-1, DIM])
        return answer

    def config(self, name: str) -> Any:
        """A ModelConfigResponse."""
        config = model_config_pb2.ModelConfig(name=name, max_batch_size=64, backend="onnxruntime")
        config.input.add(name="image", data_type=model_config_pb2.TYPE_UINT8, dims=_dims(name))
        config.output.add(name="embedding", data_type=model_config_pb2.TYPE_FP32, dims=[DIM])
        return service_pb2.ModelConfigResponse(config=config)

    def statistics(self, name: str) -> Any:
        """A ModelStatisticsResponse."""
        answer = service_pb2.ModelStatisticsResponse()
        count = self._told
        told = answer.model_stats.add(name=name, version="1", inference_count=count, execution_count=count)
        for part in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
            getattr(told.inference_stats, part).count = count
        return answer

    @staticmethod
    def server() -> Any:
        """A ServerMetadataResponse."""
        return service_pb2.ServerMetadataResponse(name="constant", version="1", extensions=["statistics"])


def _dims(name: str) -> list[int]:
    side = int(name.removeprefix("side_"))
    return [side, side, 3]
