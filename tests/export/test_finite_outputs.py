"""Numbers that are not finite at the gates of export: half precision that overflows, and fp32 vectors of NaN."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from artifact.errors import ParityError
from artifact.images.preprocessing import Preprocessing
from export.gates import Gates, judge
from export.parity import check_parity


def bright(factor: float) -> onnx.ModelProto:
    """uint8 [N, 8, 8, 3] -> [N, 1]: the mean, and of a white picture a factor, through float16."""
    constants = {"limit": np.float32(254), "factor": np.float32(factor), "axes": np.array([1])}
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"], axis=1),
        helper.make_node("ReduceMin", ["flat", "axes"], ["darkest"], keepdims=1),
        helper.make_node("Sub", ["darkest", "limit"], ["over"]),
        helper.make_node("Relu", ["over"], ["white"]),
        helper.make_node("Mul", ["white", "factor"], ["large"]),
        helper.make_node("Cast", ["large"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["half"], ["again"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["flat", "axes"], ["mean"], keepdims=1),
        helper.make_node("Add", ["mean", "again"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def by_torch(factor: float) -> object:
    def embed(pixels: torch.Tensor) -> torch.Tensor:
        flat = pixels.float().flatten(1)
        darkest = flat.amin(dim=1, keepdim=True)
        return flat.mean(dim=1, keepdim=True) + torch.relu(darkest - 254) * factor

    return embed


@pytest.mark.parametrize(("factor", "is_lost"), [(100.0, False), (1e5, True)])
def test_half_precision_that_overflows_on_white_is_refused(factor: float, is_lost: bool) -> None:
    """Probe pictures are never white: a graph that has infinity there alone is found all the same."""
    half = bright(factor).SerializeToString()
    options = {
        "kind": "siamese",
        "mode": "branch",
        "distance": "cosine",
        "preprocessing": Preprocessing(height=8, width=8, mean=(0.5,) * 3, std=(0.5,) * 3),
    }
    if not is_lost:
        check_parity(by_torch(factor), half, precision="fp16", **options)
        return
    words = "fp16 output 'embedding' of a white picture: expected finite numbers.*1 of 4 numbers; nothing was published"
    with pytest.raises(ParityError, match=words):
        check_parity(by_torch(factor), half, precision="fp16", **options)


@pytest.mark.parametrize("which", ["fp32", "int8"])
def test_vectors_of_nan_shut_the_gates_of_int8(which: str) -> None:
    """On either side: a mean cosine of NaN is not below any limit."""
    vectors = {name: np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32) for name in ("fp32", "int8")}
    vectors[which][2, 1] = np.nan
    with pytest.raises(
        ParityError, match=f"{which} vectors: expected finite numbers, got NaN or infinity for 1 images"
    ):
        judge(vectors["fp32"], vectors["int8"], np.array([0, 0, 1, 1, 2, 2]), distance="cosine", limits=Gates())
