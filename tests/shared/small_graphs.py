"""Small graphs to reduce: the branch of any network with random weights, and one convolution by itself."""

from __future__ import annotations

import functools

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from artifact.images.preprocessing import Preprocessing
from artifact.model.int8_scheme import LARGEST_WEIGHT
from export.calibration import find_ranges
from export.graph import export_branch
from export.quantize import plan_quantization, quantize
from trainer.networks.base_networks import branch_of, build_base

SIZE = 32
SPEC = Preprocessing(height=SIZE, width=SIZE)
FAMILIES = ("conv4", "resnet18", "mobilenetv3_small_100", "vit_tiny_patch16_224")
FAMILY_PARAMETERS = [
    pytest.param(name, marks=pytest.mark.slow) if name.startswith(("mobilenet", "vit")) else name for name in FAMILIES
]
"""Those that take ten seconds are slow tests."""
"""Networks of convolutions, of depthwise ones, and of matrix products."""


@functools.cache
def network_graph(base_name: str) -> onnx.ModelProto:
    """The fp32 branch graph of a network with random weights, its BatchNorm as after training; not to be changed."""
    torch.manual_seed(0)
    base = build_base(base_name, size=SIZE)
    branch = branch_of(base, embedding_dim=6, normalize=True)
    for module in branch.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)  # timm starts some at 0
    return export_branch(branch.eval(), preprocessing=SPEC)


def blocks(count: int) -> np.ndarray:
    """Pixels of coarse blocks with noise, uint8 [count, 32, 32, 3]."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (count, 4, 4, 3)).repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    return (coarse + random.integers(-20, 21, coarse.shape)).clip(0, 255).astype(np.uint8)


def quantized(graph: onnx.ModelProto, *, largest_weight: int = LARGEST_WEIGHT) -> onnx.ModelProto:
    """The graph in int8, calibrated on blocks; with a larger weight as before weights were bounded."""
    plan = plan_quantization(graph)
    ranges = find_ranges(graph, plan.tensors, blocks(32))
    return quantize(graph, plan, ranges, largest_weight=largest_weight)


def one_convolution(weights: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    """image -> float -> convolution -> convolution that sums (the last layer)."""
    channels = len(weights)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "w", "b"], ["hidden"], name="first"),
        helper.make_node("Conv", ["hidden", "ones"], ["embedding"], name="second"),
    ]
    constants = {"w": weights, "b": bias, "ones": np.eye(channels)[:, :, None, None]}
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 4, 4, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", channels, 4, 4])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
